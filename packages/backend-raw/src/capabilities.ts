import type { BackendCapabilities } from "@luksmith/core";

export const RAW_CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw", "qcow2"],
  overlays: false,
  rekeyOpen: true,
};
