import { LuksmithError } from "../../errors/luksmith-error.ts";

/** What an image's bytes may be for each of Glance's `disk_format`s. */
interface Declaration {
  readonly formats: readonly string[];
  /** The name says what the image is for, not how it is stored; any safe raw content will do. */
  readonly anyContent?: boolean;
  readonly partitioned?: boolean;
}

const DECLARATIONS: Readonly<Record<string, Declaration>> = {
  raw: { formats: ["raw"] },
  gpt: { formats: ["raw"], partitioned: true },
  qcow2: { formats: ["qcow2"] },
  vmdk: { formats: ["vmdk"] },
  vhd: { formats: ["vhd"] },
  vhdx: { formats: ["vhdx"] },
  iso: { formats: ["iso"] },
  luks: { formats: ["luks"] },
  ami: { formats: ["raw", "iso"], anyContent: true },
  aki: { formats: ["raw", "iso"], anyContent: true },
  ari: { formats: ["raw", "iso"], anyContent: true },
  // Glance knows these, or can be made to; each is refused by its own code once the bytes agree.
  vdi: { formats: ["vdi"] },
  qed: { formats: ["qed"] },
  qcow: { formats: ["qcow"] },
  parallels: { formats: ["parallels"] },
  bochs: { formats: ["bochs"] },
  cloop: { formats: ["cloop"] },
  dmg: { formats: ["dmg"] },
  ploop: { formats: ["ploop", "parallels"] },
};

/** @throws `UnsupportedImageFormat` for a `disk_format` that Glance does not define */
export function declarationOf(declared: string, subject: string): Declaration {
  const known = Object.hasOwn(DECLARATIONS, declared) ? DECLARATIONS[declared] : undefined;
  if (known) return known;
  throw new LuksmithError(
    "UnsupportedImageFormat",
    `${subject} has the unknown disk_format ${JSON.stringify(declared)}; known are ${Object.keys(DECLARATIONS).join(", ")}`,
    { details: { declared } },
  );
}
