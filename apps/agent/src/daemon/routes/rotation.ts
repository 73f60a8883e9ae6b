import { exportRecovery } from "../../actions/recovery.ts";
import { rekeyManyDisks } from "../../actions/rekey.ts";
import { BundleBody, RekeyManyBody } from "../inputs.ts";
import type { Route } from "../route.ts";
import { BundleSchema, RotationSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "disks";

export const ROTATION_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/rekey",
    id: "rekeyMany",
    tag,
    summary: "Give disks of many instances new passphrases; one that fails does not keep the others",
    input: { body: RekeyManyBody },
    answer: { status: 200, description: "What became of each.", schema: RotationSchema },
    errors: [403, 404],
    work: ({ body: { instance: id, older_than: olderThan } = {} }) => ({
      action: rekeyManyDisks,
      input: { id, olderThan },
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/recovery/bundle",
    id: "exportRecovery",
    tag,
    summary: "Write header backups and passphrases into a file, encrypted to public keys of age's; audited",
    input: { body: BundleBody },
    answer: { status: 201, description: "What is in it.", schema: BundleSchema },
    errors: [403, 404, 409],
    work: ({ body: { path, instance: id, disk, recipients = [] } }) => ({
      action: exportRecovery,
      input: { id, disk, path, recipients },
    }),
  }),
];
