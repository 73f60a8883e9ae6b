import * as z from "zod";

/** Bytes before the payload, one object of the usual size. librbd wants a whole number of stripes there. */
export const DATA_OFFSET = 4 * 1024 * 1024;

const seconds = (fallback: number) => z.coerce.number().int().min(1).max(3600).default(fallback);
const name = z.string().regex(/^[^/@\s]+$/, "must be a name without /, @ and blanks");

/** Bits of librbd's features, as `rbd create --image-feature` names them. */
export const FEATURES = {
  layering: 1,
  striping: 2,
  "exclusive-lock": 4,
  "object-map": 8,
  "fast-diff": 16,
  "deep-flatten": 32,
  journaling: 64,
} as const;

/** As nova.conf has them. */
const YES = ["true", "1", "yes", "on"];
const NO = ["false", "0", "no", "off"];

const feature = z.enum(Object.keys(FEATURES) as [keyof typeof FEATURES]);

/** What this backend takes from nova.conf, and its own options; other options pass. */
export const RbdConfig = z.object({
  sections: z.object({
    libvirt: z.object({
      images_rbd_pool: name,
      images_rbd_ceph_conf: z.union([z.literal(""), z.string().startsWith("/", "must be an absolute path")]),
      rbd_user: z.string().optional(),
      rbd_secret_uuid: z.string().optional(),
    }),
    "luksmith:backend-rbd": z
      .strictObject({
        namespace: z.union([z.literal(""), name]).default(""),
        data_pool: name.optional(),
        features: z
          .string()
          .transform((text) => text.split(",").map((word) => word.trim()))
          .pipe(z.array(feature))
          .optional(),
        object_size: z.coerce.number().int().min(4096).max(33_554_432).default(DATA_OFFSET),
        stripe_unit: z.coerce.number().int().min(4096).optional(),
        stripe_count: z.coerce.number().int().min(1).optional(),
        encryption_engine: z.enum(["qemu", "librbd"]).default("qemu"),
        clone_images: z.stringbool({ truthy: YES, falsy: NO }).default(true),
        connect_timeout: seconds(30),
        operation_timeout: seconds(60),
        python: z.string().startsWith("/", "must be an absolute path").default("/usr/bin/python3"),
      })
      .check(({ value, issues }) => {
        const { object_size: size, stripe_count: count = 1, stripe_unit: unit } = value;
        const refuse = (option: string, message: string) =>
          void issues.push({ code: "custom", input: value, path: [option], message });
        if (!isPowerOfTwo(size)) refuse("object_size", "must be a power of two");
        if ((unit === undefined) !== (value.stripe_count === undefined))
          refuse("stripe_unit", "goes together with stripe_count");
        if (unit !== undefined && size % unit !== 0) refuse("stripe_unit", "must divide object_size");
        if (value.encryption_engine === "librbd" && DATA_OFFSET % (size * count) !== 0)
          refuse("encryption_engine", "librbd needs object_size times stripe_count to divide 4194304");
      })
      .prefault({}),
  }),
});
export type RbdConfig = z.output<typeof RbdConfig>;

/** The options, by the names that the code uses. */
export interface RbdOptions {
  readonly pool: string;
  readonly namespace: string;
  /** Empty: where Ceph itself looks. */
  readonly conf: string;
  /** Without `client.`; absent: Ceph's `admin`. */
  readonly user: string | undefined;
  /** libvirt's secret with the user's key. */
  readonly secretUuid: string | undefined;
  readonly engine: "qemu" | "librbd";
  /** Plain disks of plain images are clones of a base in the pool. */
  readonly cloneImages: boolean;
  readonly layout: RbdLayout;
  readonly connectTimeoutMs: number;
  /** Of each single request to an OSD. */
  readonly operationTimeoutMs: number;
  readonly python: string;
}

/** How a new image is laid out; what is undefined, Ceph's configuration says. */
export interface RbdLayout {
  /** Of an object's size, base 2. */
  readonly order: number;
  readonly features: number | undefined;
  readonly stripeUnit: number | undefined;
  readonly stripeCount: number | undefined;
  readonly dataPool: string | undefined;
}

export function rbdOptions({ sections }: RbdConfig): RbdOptions {
  const { libvirt, "luksmith:backend-rbd": own } = sections;
  return {
    pool: libvirt.images_rbd_pool,
    namespace: own.namespace,
    conf: libvirt.images_rbd_ceph_conf,
    user: libvirt.rbd_user || undefined,
    secretUuid: libvirt.rbd_secret_uuid || undefined,
    engine: own.encryption_engine,
    cloneImages: own.clone_images,
    layout: {
      order: Math.log2(own.object_size),
      features: own.features?.reduce((bits, each) => bits | FEATURES[each], 0),
      stripeUnit: own.stripe_unit,
      stripeCount: own.stripe_count,
      dataPool: own.data_pool,
    },
    connectTimeoutMs: own.connect_timeout * 1000,
    operationTimeoutMs: own.operation_timeout * 1000,
    python: own.python,
  };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
