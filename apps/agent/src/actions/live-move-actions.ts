import {
  dismissGuest,
  expectGuest,
  type MigrationRoute,
  type MoveDocument,
  type MoveReceipt,
  type MoveTarget,
  sendGuest,
  settleGuest,
} from "@luksmith/core/host";
import { type Action, path } from "./action.ts";
import { type MovingInput, movingRequest, otherHost, receiptOf } from "./move-actions.ts";

export interface SendInput {
  /** The instance's UUID. */
  readonly id: string;
  readonly target: MoveTarget;
  readonly route: MigrationRoute;
}

export const expectMove: Action<{ readonly document: MoveDocument }, MoveTarget> = {
  kind: "move-expect",
  request: ({ document }) => ({ method: "POST", path: "/v1/guests/expect", body: { document } }),
  run: (host, { document }, ctx) => expectGuest(host, document, ctx),
};

export const send: Action<SendInput, MoveReceipt> = {
  kind: "move-send",
  request: ({ id, target, route: { to, memory, disks, tls } }) => ({
    method: "POST",
    path: path("v1", "guests", id, "move", "send"),
    body: { target, to, memory: memory ?? null, disks: disks ?? null, tls },
  }),
  run: (host, { id, target, route }, ctx) => sendGuest(host, id, target, route, ctx),
  again: (_host, { subject }) => receiptOf(subject, "sent"),
};

export const settle: Action<MovingInput, MoveReceipt> = {
  kind: "move-settle",
  request: (input) => movingRequest("settle", input),
  run: (host, input, ctx) => settleGuest(host, input.id, otherHost(input), ctx),
};

export const dismiss: Action<MovingInput, MoveReceipt> = {
  kind: "move-dismiss",
  request: (input) => movingRequest("dismiss", input),
  run: (host, input, ctx) => dismissGuest(host, input.id, otherHost(input), ctx),
  again: (_host, { subject }) => receiptOf(subject, "dismissed"),
};
