import { describe, expect, it } from "vitest";
import { Container } from "./container.ts";
import { extensionPoint, token } from "./token.ts";

const Greeting = token<{ text: string }>("test.greeting");
const Name = token<{ name: string }>("test.name");
const Parts = extensionPoint<string>("test.parts");

describe("Container", () => {
  it("makes each service once, when first asked for", () => {
    const container = Container.create();
    let made = 0;
    container.provide(Greeting, () => ({ text: `made ${++made}` }));
    expect(made).toBe(0);
    expect(container.get(Greeting)).toBe(container.get(Greeting));
    expect(made).toBe(1);
  });

  it("finds a token by its id, also one from another copy of the package", () => {
    const container = Container.create();
    container.provide(Greeting, () => ({ text: "hello" }));
    expect(container.get(token<{ text: string }>("test.greeting")).text).toBe("hello");
  });

  it("refuses a second provider, naming the token", () => {
    const container = Container.create();
    container.provide(Greeting, () => ({ text: "one" }));
    expect(() => container.provide(Greeting, () => ({ text: "two" }))).toThrow(
      /two plugins provide test\.greeting/,
    );
  });

  it("says what is missing", () => {
    expect(() => Container.create().get(Greeting)).toThrow(/no configured plugin provides test\.greeting/);
  });

  it("names a circle instead of overflowing the stack", () => {
    const container = Container.create();
    container.provide(Greeting, (resolver) => ({ text: resolver.get(Name).name }));
    container.provide(Name, (resolver) => ({ name: resolver.get(Greeting).text }));
    expect(() => container.get(Greeting)).toThrow(
      "circular dependency: test.greeting > test.name > test.greeting",
    );
  });

  it("collects contributions in order; none is an empty list", () => {
    const container = Container.create();
    expect(container.all(Parts)).toEqual([]);
    container.contribute(Parts, () => "a");
    container.contribute(Parts, () => "b");
    expect(container.all(Parts)).toEqual(["a", "b"]);
  });

  it("keeps containers apart", () => {
    const one = Container.create();
    one.provide(Greeting, () => ({ text: "one" }));
    expect(Container.create().has(Greeting)).toBe(false);
  });

  it("disposes what factories made, newest first, and nothing that was never asked for", async () => {
    const order: string[] = [];
    const container = Container.create();
    const closing = (name: string) => ({ text: name, name, close: () => void order.push(name) });
    container.provide(Greeting, () => closing("greeting"));
    container.provide(Name, () => closing("name"));
    container.provide(token("test.unused"), () => closing("unused"));
    container.get(Greeting);
    container.get(Name);
    await container[Symbol.asyncDispose]();
    expect(order).toEqual(["name", "greeting"]);
  });
});
