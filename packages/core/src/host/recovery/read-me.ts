/** What stands in each bundle beside the keys, for whoever opens it in a bad hour. */
export const READ_ME = `Recovery bundle of Luksmith
===========================

Whoever reads this can open the disks below, if they have their bytes. Keep it in memory only
(/dev/shm), and remove it when you are done.

For each disk there is a folder named by its UUID:

  disk.json    which disk it is, where it was, the digest of its header
  header       a backup of its LUKS1 header and key slots
  passphrase   its passphrase, without a newline

To look whether a passphrase opens a header:

  cryptsetup open --type luks1 --test-passphrase --key-file UUID/passphrase UUID/header

A raw file or a logical volume whose header is damaged gets it back, and is opened, by:

  cryptsetup luksHeaderRestore DISK --header-backup-file UUID/header
  cryptsetup open --type luks1 --key-file UUID/passphrase DISK NAME

(for a file: losetup -f --show FILE first). The guest's bytes are behind /dev/mapper/NAME; the
device may be longer than the disk: its size is "virtual_size" in disk.json.

A qcow2 image keeps its header inside the image, at "header_offset" of disk.json. If it is damaged,
put it back with

  dd if=UUID/header of=DISK bs=512 seek=$((HEADER_OFFSET / 512)) conv=notrunc

and read the image with qemu-img:

  qemu-img convert --object secret,id=key,file=UUID/passphrase \\
    --image-opts driver=qcow2,encrypt.key-secret=key,file.filename=DISK -O raw PLAIN

(the same with driver=luks,key-secret=key reads a raw one). A disk in Ceph: rbd export it to a file,
which is a raw one.

The header is from the time of the export. A disk that was rekeyed since has other key slots: its old
header, put back, makes the old passphrase open it again. One whose volume key was changed since is not
opened by it at all.
`;
