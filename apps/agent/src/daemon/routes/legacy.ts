import { listLegacy, previewMigration } from "@luksmith/core/host";
import { adoptPlain, migratePlain, openPlain } from "../../actions/legacy-actions.ts";
import { legacyDocument, migrationDocument } from "../../output/legacy-document.ts";
import { AdoptPlainBody, MigratePlainBody, OfInstance, PreviewPlainQuery } from "../inputs.ts";
import { type Route, route } from "../route.ts";
import {
  LegacyDisksSchema,
  LegacyListSchema,
  LegacyPlanSchema,
  OpenedPlainSchema,
} from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "legacy";
const opened = { status: 200, description: "What was opened, or why not.", schema: OpenedPlainSchema };

export const LEGACY_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/legacy",
    id: "listLegacy",
    tag,
    summary: "Instances with disks of dm-crypt's plain mode, those that Nova has made, too",
    answer: { status: 200, description: "All of them.", schema: LegacyListSchema },
    errors: [422, 503],
    handle: async ({ parts, caller }) =>
      legacyDocument(await listLegacy(parts.host, caller.context(looking(), "legacy"))),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/legacy/{id}/adopt",
    id: "adoptLegacy",
    tag,
    summary: "Take the plain disks that Nova has made for an instance into the inventory, as they are",
    input: { params: OfInstance, body: AdoptPlainBody },
    answer: { status: 200, description: "The disks.", schema: LegacyDisksSchema },
    errors: [403, 404, 409],
    work: ({ params: { id }, body }) => {
      const { key, hash, cipher, key_size: keySize, project, accept_unproven: acceptUnproven = false } = body;
      return {
        action: adoptPlain,
        input: { id, key, hash, cipher, keySize, project, acceptUnproven },
        subject: id,
      };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/legacy/open",
    id: "openAllLegacy",
    tag,
    summary: "Open the mappings of all plain disks again, after a reboot of the host",
    answer: opened,
    work: () => ({ action: openPlain, input: { id: undefined } }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/legacy/{id}/open",
    id: "openLegacy",
    tag,
    summary: "Open the mappings of an instance's plain disks again",
    input: { params: OfInstance },
    answer: opened,
    errors: [404, 409],
    work: ({ params: { id } }) => ({ action: openPlain, input: { id }, subject: id }),
  }),
  route({
    method: "GET",
    path: "/v1/legacy/{id}/migration",
    id: "previewMigration",
    tag,
    summary: "What a migration would do, and how long it would take; changes nothing",
    input: { params: OfInstance, query: PreviewPlainQuery },
    answer: { status: 200, description: "The steps.", schema: LegacyPlanSchema },
    errors: [403, 404, 409, 422, 503],
    handle: async ({ params: { id }, query, parts, caller }) => {
      const options = { acceptUnproven: query.accept_unproven === "true" };
      return migrationDocument(
        id,
        await previewMigration(parts.host, id, options, caller.context(looking(), "legacy")),
      );
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/legacy/{id}/migrate",
    id: "migrateLegacy",
    tag,
    summary: "Give each plain disk of an instance a LUKS container, with a passphrase of its own",
    input: { params: OfInstance, body: MigratePlainBody },
    answer: { status: 200, description: "The disks.", schema: LegacyDisksSchema },
    errors: [403, 404, 409],
    work: ({ params: { id }, body }) => {
      const { accept_unproven: acceptUnproven = false, abandon = false } = body;
      return { action: migratePlain, input: { id, acceptUnproven, abandon }, subject: id };
    },
  }),
];

/** For what changes nothing and is no task. */
function looking() {
  return { signal: AbortSignal.timeout(60_000), progress: () => {} };
}
