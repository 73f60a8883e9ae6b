"""Ceph's librbd for an agent: `python3 librbd.py SOCKET SETTINGS`.

Connects to the agent's unix socket and answers one JSON object per line until that closes; then it closes all images, so
that no watch or lock outlives it. Bytes of images never go over the socket: they are in the file that is inherited as
descriptor 3, at places that the agent says. Requests run side by side; those on one image must be ended before it is closed.
"""

import errno
import json
import mmap
import os
import socket
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone

import rados
import rbd

THREADS = 32
# A client that died keeps its watch for `osd_client_watch_timeout`, 30 s by default.
DEAD_WATCH_SECONDS = 45


class Pool:
    """The cluster's one pool, and the images that are open."""

    def __init__(self, settings):
        self.settings = settings
        self.window = mmap.mmap(3, settings["windowBytes"])
        self.images = {}
        self.lock = threading.Lock()

    def connect(self):
        s = self.settings
        conf = s.get("conf") or rados.Rados.DEFAULT_CONF_FILES
        self.cluster = rados.Rados(conffile=conf, rados_id=s.get("user") or "admin", conf=s["options"])
        self.cluster.connect()
        self.ioctx = self.cluster.open_ioctx(s["pool"])
        self.ioctx.set_namespace(s["namespace"])
        self.me = self.cluster.get_instance_id()
        return {"fsid": self.cluster.get_fsid()}

    # Names and identities

    def id_of(self, name):
        """What is recorded under a name: the image's id, or None."""
        try:
            data = self.ioctx.read("rbd_id." + name, 256)
        except rados.ObjectNotFound:
            return None
        return data[4 : 4 + int.from_bytes(data[:4], "little")].decode("ascii")

    def op_identify(self, name):
        return {"id": self.id_of(name)}

    def op_ready(self):
        try:
            self.ioctx.read("rbd_directory", 16)
        except rados.ObjectNotFound:
            pass
        return {}

    def op_full(self):
        """Whether the cluster or the pool takes no more writes."""
        ret, out, _ = self.cluster.mon_command('{"prefix": "osd dump", "format": "json"}', b"", 5)
        if ret != 0:
            return {"full": False}
        dump = json.loads(out)
        flags = dump.get("flags_set", [])
        for pool in dump.get("pools", []):
            if pool["pool_name"] in (self.settings["pool"], self.settings.get("dataPool")):
                flags = flags + pool.get("flags_names", "").split(",")
        return {"full": any(flag in ("full", "full_quota") for flag in flags)}

    def op_space(self):
        stats = self.cluster.get_cluster_stats()
        # Without a manager, Ceph counts nothing and says zero.
        return {"free": stats["kb_avail"] * 1024 if stats["kb"] > 0 else None}

    def op_look(self, name):
        """Everything that decides what may be done with an image."""
        with rbd.Image(self.ioctx, name, read_only=True) as image:
            stat = image.stat()
            snaps = [snap["name"] for snap in image.list_snaps()]
            watchers = [w["addr"] for w in image.watchers_list() if w["id"] != self.me]
            children = [self.spec(child) for child in image.list_descendants()] if snaps else []
            return {
                "id": image.id(),
                "size": stat["size"],
                "period": stat["obj_size"] * image.stripe_count(),
                "snapshots": snaps,
                "watchers": watchers,
                "children": children,
            }

    def op_names(self):
        return {"names": rbd.RBD().list(self.ioctx)}

    def op_describe(self, names, bytes):
        """What is known of each without opening it for writing; what is gone, or is half there, is left out."""
        found = []
        for name in names:
            try:
                with rbd.Image(self.ioctx, name, read_only=True) as image:
                    times = [image.create_timestamp()]
                    if hasattr(image, "modify_timestamp"):
                        times.append(image.modify_timestamp())
                    head = image.read(0, min(bytes, image.size()))
                    changed = max(times).replace(tzinfo=timezone.utc).isoformat()
                    found.append({"name": name, "id": image.id(), "head": head.hex(), "changed": changed})
            except rbd.ImageNotFound:
                continue
        return {"images": found}

    # Images that are open

    def keep(self, image):
        # Never the same again, also not in another process: a handle that is out of date must not name another image.
        handle = uuid.uuid4().hex
        with self.lock:
            self.images[handle] = image
        return handle

    def opened(self, handle):
        try:
            return self.images[handle]
        except KeyError:
            raise rbd.ConnectionShutdown("the connection to Ceph was lost meanwhile", errno.ENOTCONN) from None

    def op_create(self, name, size, writes, order=None, features=None, stripeUnit=None, stripeCount=None, dataPool=None):
        rbd.RBD().create(
            self.ioctx,
            name,
            size,
            order=order,
            old_format=False,
            features=features,
            stripe_unit=stripeUnit,
            stripe_count=stripeCount,
            data_pool=dataPool,
        )
        handle = self.keep(rbd.Image(self.ioctx, name))
        image = self.images[handle]
        self.op_write(handle, writes)
        return {"handle": handle, "id": image.id(), "period": image.stat()["obj_size"] * image.stripe_count()}

    def op_open(self, name, readOnly):
        handle = self.keep(rbd.Image(self.ioctx, name, read_only=readOnly))
        image = self.images[handle]
        return {"handle": handle, "id": image.id(), "size": image.size()}

    def op_write(self, handle, parts, sparse=False):
        image = self.opened(handle)
        for offset, at, length in parts:
            data = self.window[at : at + length]
            if not (sparse and data.count(0) == length):
                image.write(data, offset)
        return {}

    def op_read(self, handle, parts):
        image = self.opened(handle)
        for offset, at, length in parts:
            self.window[at : at + length] = image.read(offset, length)
        return {}

    def op_flush(self, handle):
        self.opened(handle).flush()
        return {}

    def op_close(self, handle):
        with self.lock:
            image = self.images.pop(handle, None)
        if image is not None:
            image.close()
        return {}

    # Clones: images that hold only what differs from a protected snapshot

    def op_base(self, name, snapshot):
        """What clones are made of: its id and size, and whether it is sealed; None if there is no such image."""
        try:
            with rbd.Image(self.ioctx, name, read_only=True) as image:
                snaps = {snap["name"]: snap["size"] for snap in image.list_snaps()}
                sealed = snapshot in snaps and image.is_protected_snap(snapshot)
                size = snaps[snapshot] if sealed else image.size()
                return {"base": {"id": image.id(), "size": size, "sealed": sealed}}
        except rbd.ImageNotFound:
            return {"base": None}

    def op_seal(self, name, id, snapshot):
        """What an image holds now can be cloned from now on."""
        with rbd.Image(self.ioctx, name) as image:
            self.require(image.id() == id)
            if snapshot not in [snap["name"] for snap in image.list_snaps()]:
                image.create_snap(snapshot)
            if not image.is_protected_snap(snapshot):
                image.protect_snap(snapshot)
        return {}

    def op_clone(self, base, snapshot, name, size, order=None, features=None, stripeUnit=None, stripeCount=None, dataPool=None):
        """Makes a clone, larger than its base if `size` says so. `id` None: the base is gone, or not sealed any more."""
        try:
            rbd.RBD().clone(
                self.ioctx,
                base,
                snapshot,
                self.ioctx,
                name,
                features=features,
                order=order,
                stripe_unit=stripeUnit,
                stripe_count=stripeCount,
                data_pool=dataPool,
            )
        except (rbd.ImageNotFound, rbd.InvalidArgument):
            if (self.op_base(base, snapshot)["base"] or {}).get("sealed"):
                raise
            return {"id": None}
        with rbd.Image(self.ioctx, name) as image:
            if size > image.size():
                image.resize(size, allow_shrink=False)
            id = image.id()
        # When it was used last. It cannot go away any more: it has a clone.
        self.ioctx.write_full("rbd_id." + base, encoded(self.id_of(base)))
        return {"id": id}

    def op_parent(self, name):
        """What an image is a clone of, as `POOL[/NAMESPACE]/IMAGE@SNAPSHOT`; None if it stands alone."""
        with rbd.Image(self.ioctx, name, read_only=True) as image:
            try:
                spec = image.get_parent_image_spec()
            except rbd.ImageNotFound:
                return {"parent": None, "id": image.id(), "overlap": 0, "own": []}
            overlap = image.overlap()
            own = []
            image.diff_iterate(
                0, overlap, None, lambda at, length, exists: own.append([at, length]), include_parent=False, whole_object=True
            )
            where = [spec["pool_name"], spec["pool_namespace"], spec["image_name"]]
            parent = "/".join(part for part in where if part) + "@" + spec["snap_name"]
            return {"parent": parent, "id": image.id(), "overlap": overlap, "own": own}

    def op_own(self, handle, offset, length):
        """Copies a part of the parent into a clone: what is written back unchanged is its own from then on."""
        image = self.opened(handle)
        data = image.read(offset, length)
        if data.count(0) != length:
            image.write(data, offset)
        return {}

    def op_detach(self, handle):
        """Cuts a clone off its parent, of which it has all by now."""
        try:
            self.opened(handle).flatten()
        except rbd.InvalidArgument:
            pass  # it has none
        return {}

    def op_bases(self, prefix):
        """All images whose names begin so, with what stands on them."""
        found = []
        for name in rbd.RBD().list(self.ioctx):
            if not name.startswith(prefix):
                continue
            try:
                with rbd.Image(self.ioctx, name, read_only=True) as image:
                    users = [self.spec(child) for child in image.list_descendants()]
                    size, id = image.size(), image.id()
                    allocated = []
                    image.diff_iterate(0, size, None, lambda at, length, exists: allocated.append(length), whole_object=True)
                _, used = self.ioctx.stat("rbd_id." + name)
            except (rbd.ImageNotFound, rados.ObjectNotFound):
                continue  # removed meanwhile
            entry = {"name": name, "id": id, "size": size, "allocated": sum(allocated), "users": users}
            found.append({**entry, "used": int(time.mktime(used))})
        return {"bases": found}

    def spec(self, child):
        where = [child["pool"], child.get("pool_namespace"), child["image"]]
        return "/".join(part for part in where if part)

    # What changes an image as a whole

    def op_publish(self, name, to, id):
        """Gives an image another name, never over one that is there.

        librbd's own rename looks first and writes then: of several at once to one name, all succeed and one image is left.
        These are the same three steps, of which the first is exclusive, as it is when an image is created.
        """
        if self.exists(to + ".rbd"):  # an image of the old format
            raise rbd.ImageExists("the name is taken", errno.EEXIST)
        begun = False
        try:
            with rados.WriteOpCtx() as op:
                op.new(rados.LIBRADOS_CREATE_EXCLUSIVE)
                op.write_full(encoded(id))
                self.ioctx.operate_write_op(op, "rbd_id." + to)
        except rados.ObjectExists:
            begun = self.id_of(to) == id
            if not begun:
                raise rbd.ImageExists("the name is taken", errno.EEXIST) from None
        try:
            names = encoded(name) + encoded(to) + encoded(id)
            self.ioctx.execute("rbd_directory", "rbd", "dir_rename_image", names)
        except rados.Error as error:
            # One that was begun before and cut short may have come so far.
            if not (begun and isinstance(error, rados.ObjectNotFound)):
                if not begun:
                    self.ioctx.remove_object("rbd_id." + to)
                raise
        self.ioctx.remove_object("rbd_id." + name)
        return {}

    def exists(self, key):
        try:
            self.ioctx.stat(key)
            return True
        except rados.ObjectNotFound:
            return False

    def op_resize(self, name, id, size):
        with rbd.Image(self.ioctx, name) as image:
            self.require(image.id() == id)
            if size > image.size():
                image.resize(size, allow_shrink=False)
        return {}

    def op_remove(self, name, id, patient):
        """Removes an image with its snapshots; one that is not there is success. `id` None: nobody else has such a name."""
        end = time.monotonic() + (DEAD_WATCH_SECONDS if patient else 0)
        while True:
            try:
                return {"removed": self.remove(name, id)}
            except rbd.ImageBusy:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def remove(self, name, id):
        found = self.id_of(name)
        if id is not None and found != id:
            return False
        try:
            with rbd.Image(self.ioctx, name) as image:
                self.remove_snapshots(image)
        except rbd.ImageNotFound:
            # Half-made, or half-removed: a name without an image, or the other way round.
            pass
        try:
            rbd.RBD().remove(self.ioctx, name)
        except rbd.ImageNotFound:
            # A rename that was cut short leaves the new name for an image that had the old one.
            if found is not None and id is not None and self.id_of(name) == id:
                self.ioctx.remove_object("rbd_id." + name)
            return found is not None
        except rbd.PermissionError:
            # Who could not make it either may not remove it: that is no matter where nothing is.
            if found is None and not self.listed(name):
                return False
            raise
        return True

    def listed(self, name):
        """Whether the pool's directory has an image of this name, whole or not."""
        try:
            self.ioctx.execute("rbd_directory", "rbd", "dir_get_id", encoded(name))
            return True
        except rados.ObjectNotFound:
            return False

    def remove_snapshots(self, image):
        for snap in list(image.list_snaps()):
            if image.is_protected_snap(snap["name"]):
                image.unprotect_snap(snap["name"])
            image.remove_snap(snap["name"])

    def op_strip(self, name, id):
        """Removes an image's snapshots, if it is that image."""
        try:
            with rbd.Image(self.ioctx, name) as image:
                if id is None or image.id() == id:
                    self.remove_snapshots(image)
        except rbd.ImageNotFound:
            pass
        return {}

    def op_scrap(self, id, bytes):
        """Erases and removes what somebody has put into the trash, if it is there."""
        try:
            rbd.RBD().trash_get(self.ioctx, id)
        except rbd.ImageNotFound:
            return {"removed": False}
        with rbd.Image(self.ioctx, image_id=id) as image:
            # First: what is overwritten while a snapshot has it, stays in that.
            self.remove_snapshots(image)
            if bytes > 0:
                image.write(os.urandom(min(bytes, image.size())), 0)
                image.flush()
        rbd.RBD().trash_remove(self.ioctx, id, force=True)
        return {"removed": True}

    def require(self, same):
        if not same:
            raise rbd.ImageNotFound("another image has its name by now", errno.ENOENT)

    def close_all(self):
        for handle in list(self.images):
            try:
                self.op_close(handle)
            except Exception:  # the others must still be closed
                pass


def encoded(text):
    """A string as Ceph's object classes take it."""
    data = text.encode()
    return len(data).to_bytes(4, "little") + data


def describe(error):
    number = getattr(error, "errno", None)
    return {"errno": errno.errorcode.get(abs(number), "EIO") if number else "EIO", "message": str(error)}


def main():
    pool = Pool(json.loads(sys.argv[2]))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        sending = threading.Lock()

        def send(answer):
            with sending:
                connection.sendall(json.dumps(answer).encode() + b"\n")

        def serve(request):
            try:
                arguments = request["arguments"]
                answer = {"result": getattr(pool, "op_" + request["op"])(**arguments)}
            except Exception as error:
                answer = {"error": describe(error)}
            try:
                send({"id": request["id"], **answer})
            except OSError:
                pass  # the agent is gone, and the reading side sees it

        try:
            send({"id": 0, "result": pool.connect()})
        except Exception as error:
            send({"id": 0, "error": describe(error)})
            return
        workers = ThreadPoolExecutor(THREADS)
        with connection.makefile("rb") as lines:
            for line in lines:
                workers.submit(serve, json.loads(line))
    closing = threading.Thread(target=pool.close_all, daemon=True)
    closing.start()
    closing.join(10)
    # What still waits for Ceph would keep the process alive.
    os._exit(0)


main()
