import {
  createInstance,
  type InstanceRecord,
  type InstanceRequest,
  type HostConfig,
} from "@luksmith/core/host";
import { type InstanceDocument, instanceDocument } from "../output/disk-document.ts";
import type { Action } from "./action.ts";

export interface CreateInput {
  /** REQUEST.json as it came, and as it was understood. */
  readonly document: unknown;
  readonly request: InstanceRequest;
}

/** An instance as `create` and `show` give it. */
export interface WholeInstanceDocument extends InstanceDocument {
  readonly disk_info: InstanceRecord["diskInfo"];
  readonly block_device_info: InstanceRecord["blockDeviceInfo"];
}

export function wholeInstanceDocument(instance: InstanceRecord, config: HostConfig): WholeInstanceDocument {
  const { diskInfo: disk_info, blockDeviceInfo: block_device_info } = instance;
  return { ...instanceDocument(instance, config), disk_info, block_device_info };
}

export const create: Action<CreateInput, WholeInstanceDocument> = {
  kind: "create",
  request: ({ document }) => ({ method: "POST", path: "/v1/instances", body: document }),
  run: async (host, { request }, ctx) =>
    wholeInstanceDocument(await createInstance(host, request, ctx), host.config),
  again: (host, { subject }) => {
    const instance = host.inventory.instance(subject);
    return instance && wholeInstanceDocument(instance, host.config);
  },
};
