import type { Image, ImageBackend, ImageServices, LuksEngine } from "@luksmith/core";

/** One way to get a backend wrong that a careless author might find, with the rule that must notice. */
export interface Fault {
  readonly what: string;
  readonly rule: string;
  readonly services?: (services: ImageServices) => ImageServices;
  /** Members that an image gets instead of its own. */
  readonly image?: (image: Image, services: ImageServices) => Partial<Image>;
  /** What the backend gets instead of its own. */
  readonly backend?: (backend: ImageBackend) => Partial<ImageBackend>;
}

/** What `create` does instead: before it, after it, or both. */
export function creating(
  image: Image,
  { before, after }: Partial<Record<"before" | "after", (...args: Parameters<Image["create"]>) => unknown>>,
): Partial<Image> {
  const create = image.create.bind(image);
  return {
    create: async (...args) => {
      await before?.(...args);
      await create(...args);
      await after?.(...args);
    },
  };
}

export const withLuks = (services: ImageServices, overrides: Partial<LuksEngine>): ImageServices => {
  const luks = Object.assign(Object.create(services.luks) as LuksEngine, {
    format: (...args: Parameters<LuksEngine["format"]>) => services.luks.format(...args),
    unlock: (...args: Parameters<LuksEngine["unlock"]>) => services.luks.unlock(...args),
    copy: (...args: Parameters<LuksEngine["copy"]>) => services.luks.copy(...args),
    ...overrides,
  });
  return { ...services, luks };
};
