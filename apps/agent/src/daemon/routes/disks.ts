import { flatten, rebase, resize } from "../../actions/disk-actions.ts";
import { rekey } from "../../actions/rekey.ts";
import { snapshot } from "../../actions/snapshot.ts";
import { OfDisk, RebaseBody, RekeyBody, ResizeBody, SnapshotBody } from "../inputs.ts";
import type { Route } from "../route.ts";
import { ChangedDiskSchema, RekeyedSchema, SnapshotSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "disks";
const errors = [403, 404, 409];
const changed = { status: 200, description: "The disk, with its new XML.", schema: ChangedDiskSchema };

export const DISK_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/disks/{disk}/resize",
    id: "resizeDisk",
    tag,
    summary: "Grow a disk that no guest is using",
    input: { params: OfDisk, body: ResizeBody },
    answer: changed,
    errors,
    work: ({ params: { id, disk }, body }) => {
      return { action: resize, input: { id, disk, size: BigInt(body.size) }, subject: id, disk };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/disks/{disk}/snapshot",
    id: "snapshotDisk",
    tag,
    summary: "Copy a disk that no guest is using to a file, encrypted with a passphrase of its own",
    input: { params: OfDisk, body: SnapshotBody },
    answer: { status: 201, description: "The snapshot.", schema: SnapshotSchema },
    errors,
    work: ({ params: { id, disk }, body: { target, format, plain = false } }) => {
      const input = { id, disk, target, plain, ...(format ? { format } : {}) };
      return { action: snapshot, input, subject: id, disk };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/disks/{disk}/flatten",
    id: "flattenDisk",
    tag,
    summary: "Copy into a disk what it has of its base image, so that it stands alone",
    input: { params: OfDisk },
    answer: changed,
    errors,
    work: ({ params: { id, disk } }) => ({ action: flatten, input: { id, disk }, subject: id, disk }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/disks/{disk}/rebase",
    id: "rebaseDisk",
    tag,
    summary: "Put a disk on another file that shows the same bytes as its base image",
    input: { params: OfDisk, body: RebaseBody },
    answer: changed,
    errors,
    work: ({ params: { id, disk }, body: { base, format, trust_base: trustBase = false } }) => {
      const input = { id, disk, base, trustBase, ...(format ? { format } : {}) };
      return { action: rebase, input, subject: id, disk };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/disks/{disk}/rekey",
    id: "rekeyDisk",
    tag,
    summary: "Give a disk a new passphrase",
    input: { params: OfDisk, body: RekeyBody },
    answer: { status: 200, description: "The disk with its new passphrase.", schema: RekeyedSchema },
    errors,
    work: ({ params: { id, disk }, body: { volume_key: volumeKey = false, abandon = false } = {} }) => ({
      action: rekey,
      input: { id, disk, volumeKey, abandon },
      subject: id,
      disk,
    }),
  }),
];
