import type { BackendCapabilities } from "@luksmith/core";

export const QCOW2_CAPABILITIES: BackendCapabilities = {
  formats: ["qcow2"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw", "qcow2"],
  overlays: true,
  rekeyOpen: true,
};
