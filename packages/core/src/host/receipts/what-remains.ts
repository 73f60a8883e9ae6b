import type { EraseReceipt } from "./erase-receipt.ts";

/** What a receipt must not hide: ways in which the content could be read all the same. */
export function whatRemains(
  {
    erasure,
    header_before: before,
    secret,
    disk,
  }: Pick<EraseReceipt, "erasure" | "header_before" | "secret" | "disk">,
  elsewhere: readonly string[],
  snapshots: readonly string[],
): readonly string[] {
  const remains: string[] = [];
  if (disk.encryption_format === null) {
    remains.push("the disk was not encrypted: its content stays readable wherever its blocks still are");
  } else if (disk.encryption_format === "plain") {
    remains.push(
      "the disk has no header (dm-crypt plain): its content stays readable wherever its blocks still are, for whoever has a copy of its key",
    );
  } else {
    const digest = before ? ` (SHA-256 of its 592 bytes: ${before.sha256})` : "";
    remains.push(
      `a copy of the old header and key material${digest}, made before this erasure, opens the old blocks for whoever also has the passphrase from then, or once had the volume key`,
    );
    if (!erasure) {
      remains.push(
        disk.identity === null
          ? "nothing was erased: nothing was there"
          : "key slots were not erased by this operation: only the passphrase's deletion keeps what is left from being opened",
      );
    } else if (erasure.proof.stored_passphrase === "not tried") {
      remains.push(
        `that the stored passphrase is refused was not tried: ${erasure.proof.reason ?? "no reason is known"}; key slots and key material were read back all the same`,
      );
    }
  }
  if (secret) {
    remains.push(
      secret.deleted_at === null
        ? `the passphrase is still in the key manager: ${secret.why_kept ?? "it was not this operation's to delete"}`
        : "backups of the key manager may still have the passphrase",
    );
  }
  remains.push(
    "reading back asks the kernel and the storage: it shows what they give now, not what the medium keeps besides",
    ...elsewhere.map((place) => `out of reach of this erasure: ${place}`),
    ...snapshots.map(
      (uuid) => `snapshot ${uuid} of this disk is a copy with a key of its own, and was not erased`,
    ),
  );
  return remains;
}
