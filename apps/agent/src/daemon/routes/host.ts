import { cacheList, reportTraits, showTraits } from "@luksmith/core/host";
import { prune } from "../../actions/cache-prune.ts";
import { doctor } from "../../actions/doctor.ts";
import { gc } from "../../actions/gc.ts";
import { recoverNow } from "../../actions/recover.ts";
import { cacheDocument } from "../../cli/cache-document.ts";
import { traitsDocument } from "../../cli/traits-show.ts";
import { syncDocument } from "../../cli/traits-sync.ts";
import { throwFirst } from "../../output/trait-output.ts";
import { DoctorBody, GcBody, PruneBody, SyncBody } from "../inputs.ts";
import { type Route, route } from "../route.ts";
import {
  CacheSchema,
  DoctorSchema,
  GcSchema,
  HostSchema,
  PrunedSchema,
  RecoveredSchema,
  TraitsSchema,
  TraitsSyncedSchema,
} from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";
import { hostDocument } from "../host-document.ts";

const tag = "host";

export const HOST_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/host",
    id: "showHost",
    tag,
    summary: "Which daemon this is",
    answer: { status: 200, description: "About it.", schema: HostSchema },
    handle: ({ parts }) => hostDocument(parts),
  }),
  taskRoute({
    method: "GET",
    path: "/v1/cache",
    id: "listCache",
    tag,
    summary: "The cached base images, and who needs them",
    answer: { status: 200, description: "The cache.", schema: CacheSchema },
    work: () => ({
      action: { kind: "cache-list", run: async (host, _, ctx) => cacheDocument(await cacheList(host, ctx)) },
      input: undefined,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/cache/prune",
    id: "pruneCache",
    tag,
    summary: "Remove base images that no disk stands on and nobody has used lately",
    input: { body: PruneBody },
    answer: { status: 200, description: "What was removed and what not.", schema: PrunedSchema },
    work: ({ body }) => {
      const { dry_run: dryRun = false, all_unused: allUnused = false } = body ?? {};
      return { action: prune, input: { dryRun, allUnused } };
    },
  }),
  taskRoute({
    method: "GET",
    path: "/v1/traits",
    id: "showTraits",
    tag,
    summary: "What this host can do, and what is said of it",
    answer: { status: 200, description: "The traits.", schema: TraitsSchema },
    work: () => ({
      action: {
        kind: "traits-show",
        run: async (host, _, ctx) => traitsDocument(await showTraits(host, ctx)),
      },
      input: undefined,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/traits/sync",
    id: "syncTraits",
    tag,
    summary: "Report now what this host can do",
    input: { body: SyncBody },
    answer: { status: 200, description: "What has changed.", schema: TraitsSyncedSchema },
    errors: [403, 404, 409],
    work: ({ body }) => ({
      action: {
        kind: "traits-sync",
        run: async (host, _, ctx) => {
          const report = await reportTraits(host, { createProvider: body?.create_provider ?? false }, ctx);
          throwFirst(report.outcomes);
          return syncDocument(report);
        },
      },
      input: undefined,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/gc",
    id: "collectGarbage",
    tag,
    summary: "Remove what is proven to be a leftover of this host",
    input: { body: GcBody },
    answer: { status: 200, description: "What does not fit, and what became of it.", schema: GcSchema },
    work: ({ body }) => ({ action: gc, input: { graceSeconds: body?.grace_seconds ?? 86_400 } }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/doctor",
    id: "examineHost",
    tag,
    summary: "Look at everything that keeps disks from being made, opened and erased, or lets keys out",
    input: { body: DoctorBody },
    answer: { status: 200, description: "What was found.", schema: DoctorSchema },
    work: ({ body }) => ({
      action: doctor,
      input: { lookOnly: body?.look_only ?? false, only: body?.only ?? [] },
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/recover",
    id: "recover",
    tag,
    summary: "End what was left unfinished; `failed` ones are tried again later",
    answer: { status: 200, description: "What was ended and what not.", schema: RecoveredSchema },
    work: () => ({ action: recoverNow, input: undefined }),
  }),
];
