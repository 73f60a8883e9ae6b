import { type AnyLuksmithError, isLuksmithError, LuksmithError } from "@luksmith/core";

const FULL =
  /insufficient (suitable )?(free|allocatable)|not enough free|exceeds? .*(size|space)|insufficient free space/i;
const EXISTS = /already exists/i;
const NO_GROUP =
  /Volume group .* (not found|is exported)|Cannot process volume group|PVs? (are|is) missing|missing PVs|partial/i;
const IN_USE = /in use|is used by another device|contains a filesystem in use/i;

/** What LVM's command says in English (its locale is C), as one of our errors; anything else as it is. */
export function lvmError(error: unknown, about: { readonly group: string; readonly label: string }): unknown {
  if (!isLuksmithError(error) || error.code !== "CommandFailed") return error;
  return known(error, about) ?? error;
}

function known(
  error: AnyLuksmithError,
  { group, label }: { readonly group: string; readonly label: string },
): LuksmithError | undefined {
  const because = { cause: error };
  const said = error.message;
  if (EXISTS.test(said)) {
    return new LuksmithError(
      "DiskExists",
      `${label} exists already and was not touched; look at it with lvs and remove or rename it`,
      because,
    );
  }
  if (NO_GROUP.test(said)) return groupUnusable(group, "it was not found, or not all of it", error);
  if (FULL.test(said)) {
    return new LuksmithError(
      "NoSpace",
      `${label} does not fit into volume group ${group}; nothing was changed, extend the group (vgextend) or remove volumes`,
      because,
    );
  }
  if (IN_USE.test(said)) {
    return new LuksmithError(
      "DiskInUse",
      `${label} is in use; stop what uses it (dmsetup ls --tree shows mappings), then try again`,
      because,
    );
  }
  return undefined;
}

/** Nothing was changed. */
export function groupUnusable(group: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "VolumeGroupUnusable",
    `volume group ${group} cannot be used: ${why}; nothing was changed, look at it with vgs and pvs, and check [libvirt] images_volume_group`,
    { details: { group }, ...(cause === undefined ? {} : { cause }) },
  );
}
