import type { BackendCapabilities } from "@luksmith/core";

export const RBD_CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw", "qcow2"],
  overlays: false,
  clones: true,
  shared: true,
  rekeyOpen: true,
};
