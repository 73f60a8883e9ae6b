import type { BackendCapabilities } from "@luksmith/core";

export const LVM_CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw"],
  overlays: false,
};
