/** Names a service with exactly one provider. Ids are strings, so tokens match across duplicate copies of core. */
export interface Token<T> {
  readonly id: string;
  /** Never present: carries the type only. */
  readonly _type?: T;
}

/** Names a list to which any number of plugins contribute. */
export interface ExtensionPoint<T> {
  readonly id: string;
  readonly many: true;
  /** Never present: carries the type only. */
  readonly _type?: T;
}

export function token<T>(id: string): Token<T> {
  return { id };
}

export function extensionPoint<T>(id: string): ExtensionPoint<T> {
  return { id, many: true };
}

export interface Resolver {
  /** @throws `PluginConflict` when nothing or more than one plugin provides it, or providers form a circle */
  get<T>(of: Token<T>): T;
  has(of: Token<unknown>): boolean;
  all<T>(of: ExtensionPoint<T>): readonly T[];
}

export interface Registrar {
  /** The factory runs once, when first asked for; it does no asynchronous work. */
  provide<T>(of: Token<T>, factory: (resolver: Resolver) => T): void;
  contribute<T>(to: ExtensionPoint<T>, factory: (resolver: Resolver) => T): void;
}
