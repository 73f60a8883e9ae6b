import { randomFillSync, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const GIB = 1024 ** 3;

/** An image that the host can find by its id. */
export interface BenchImage {
  readonly id: string;
  readonly disk_format: "raw";
  readonly status: "active";
  readonly size: number;
}

/** Puts a raw image of random bytes where the host looks for images. */
export function makeImage(imagesPath: string, bytes: number): BenchImage {
  const id = randomUUID();
  writeFileSync(join(imagesPath, id), randomFillSync(Buffer.alloc(bytes)));
  return { id, disk_format: "raw", status: "active", size: bytes };
}

/** A request for a server with one encrypted root disk, as the daemon and the command line get it. */
export function encryptedServer(image: BenchImage, diskBytes: number): unknown {
  return {
    server: {
      id: randomUUID(),
      name: "bench",
      image: { id: image.id },
      flavor: {
        original_name: "bench",
        vcpus: 1,
        ram: 512,
        disk: diskBytes / GIB,
        ephemeral: 0,
        swap: 0,
        extra_specs: { "hw:ephemeral_encryption": "true", "hw:ephemeral_encryption_format": "luks" },
      },
    },
    image,
  };
}
