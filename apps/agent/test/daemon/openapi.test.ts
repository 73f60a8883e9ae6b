import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { type Document, OpenAPIClientAxios } from "openapi-client-axios";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROUTES } from "../../src/daemon/routes/index.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { Daemon, daemonHost } from "./running-daemon.ts";

interface Described {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      { operationId: string; responses: Record<string, { content?: Record<string, { schema: object }> }> }
    >
  >;
  readonly components: { readonly schemas: Record<string, object> };
}

interface Answered {
  readonly status: number;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

type Operation = (...given: unknown[]) => Promise<Answered>;

let host: TemporaryHost;
let daemon: Daemon;
let described: Described;
beforeAll(async () => {
  host = await daemonHost();
  daemon = await Daemon.start(host);
  described = (await daemon.call<Described>("GET", "/openapi.json")).json;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(described) as never);
    expect([errors, valid]).toEqual([undefined, true]);
    expect(described.openapi).toMatch(/^3\.1/);
    const broken = { ...described, paths: { "no-slash": 1 } };
    expect((await new Validator().validate(broken as never)).valid).toBe(false);
  });

  test("has every route, each once, and every schema is one", () => {
    const ids = Object.values(described.paths).flatMap((each) =>
      Object.values(each).map((one) => one.operationId),
    );
    expect(ids.sort()).toEqual(ROUTES.map(({ id }) => id).sort());
    expect(new Set(ids).size).toBe(ids.length);
    const ajv = new Ajv2020({ strict: false });
    for (const schema of Object.values(described.components.schemas))
      expect(() => ajv.compile(schema)).not.toThrow();
  });

  test("is readable as a page that asks nobody else for anything", async () => {
    const { text, headers } = await daemon.call("GET", "/docs");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    for (const { path } of ROUTES) expect(text).toContain(path);
    expect(text).not.toMatch(/<script|https?:\/\/(?!localhost)/);
  });
});

describe("a client generated from the document", () => {
  test(
    "lives an instance's life, and every answer is as the document says",
    { timeout: 120_000 },
    async () => {
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      ajv.addSchema(described, "api");
      const api = new OpenAPIClientAxios({
        definition: structuredClone(described) as unknown as Document,
        axiosConfigDefaults: { socketPath: daemon.socket, proxy: false, validateStatus: () => true },
      });
      const client = await api.init();
      // The types of a client that is generated at run time are only known then.
      const operations = client as unknown as Readonly<Record<string, Operation | undefined>>;
      const called = new Set<string>();
      const places = Object.entries(described.paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => Object.assign({ path, method }, operation)),
      );
      const ask = async (id: string, ...given: unknown[]) => {
        const operation = operations[id];
        if (!operation) throw new Error(`the client has no ${id}`);
        const answer = await operation(...given);
        const place = places.find(({ operationId }) => operationId === id)!;
        const content = place.responses[String(answer.status)]?.content;
        expect(content, `${id} answers ${answer.status}: ${JSON.stringify(answer.data)}`).toBeDefined();
        const [type, { schema }] = Object.entries(content!).at(0)!;
        expect(answer.headers["content-type"]).toContain(type);
        // The text of a page or a stream has no schema to speak of.
        const { $ref } = schema as { $ref?: string };
        const validate = ajv.compile(
          $ref ? { $ref: `api${$ref}` } : type === "application/json" ? schema : {},
        );
        expect([validate(answer.data), id, validate.errors]).toEqual([true, id, null]);
        called.add(id);
        return answer;
      };

      const request = host.request();
      const { id } = request.server;
      for (const each of [
        "health",
        "readiness",
        "metrics",
        "openapi",
        "docs",
        "showHost",
        "listCache",
        "showTraits",
      ]) {
        expect((await ask(each)).status).toBe(200);
      }
      expect((await ask("planInstance", null, request)).status).toBe(200);
      expect((await ask("createInstance", null, request)).status).toBe(201);
      expect((await ask("createInstance", null, request)).status).toBe(409);
      expect((await ask("createInstance", null, { server: 1 })).status).toBe(400);
      expect((await ask("showInstance", { id })).status).toBe(200);
      expect((await ask("listInstances")).status).toBe(200);
      expect((await ask("verifyInstance", { id })).status).toBe(200);
      expect((await ask("verifyAll")).status).toBe(200);
      const disk = { id, disk: "disk.swap" };
      expect((await ask("resizeDisk", disk, { size: 32 << 20 })).status).toBe(200);
      expect((await ask("rekeyDisk", disk)).status).toBe(200);
      expect((await ask("rekeyInstance", { id })).status).toBe(200);
      expect((await ask("rekeyInstance", { id }, { volume_key: true })).status).toBe(200);
      const due = { instance: id, older_than: "2026-01-01T00:00:00Z" };
      const rotated = await ask("rekeyMany", {}, due);
      expect(rotated.status).toBe(200);
      const outcomes = (rotated.data as { disks: { outcome: string }[] }).disks.map(({ outcome }) => outcome);
      expect(new Set(outcomes)).toEqual(new Set(["younger"]));
      // The public key in age's own documentation.
      const recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"];
      const bundle = await ask("exportRecovery", {}, { path: `${host.path}/bundle.age`, recipients });
      expect(bundle.status).toBe(201);
      expect((await ask("flattenDisk", disk)).status).toBe(422);
      expect((await ask("rebaseDisk", disk, { base: "/nonexistent" })).status).toBe(422);
      const copy = await ask("snapshotDisk", disk, { target: `${host.path}/copy.img` });
      expect(copy.status).toBe(201);
      expect((await ask("deleteInstance", { id: (copy.data as { uuid: string }).uuid })).status).toBe(200);
      const shown = await ask("showInstance", { id });
      const secret = (shown.data as { disks: { encryption_secret_uuid: string }[] }).disks.at(
        0,
      )!.encryption_secret_uuid;
      expect((await ask("revealSecret", { id: secret })).status).toBe(200);
      expect((await ask("pruneCache", null, { dry_run: true })).status).toBe(200);
      expect((await ask("syncTraits", null, {})).status).toBe(422);
      expect((await ask("recover")).status).toBe(200);
      expect((await ask("collectGarbage", null, {})).status).toBe(200);
      expect((await ask("examineHost", null, { only: ["version.node"] })).status).toBe(200);
      const begun = await ask("verifyInstance", { id }, null, { headers: { prefer: "respond-async" } });
      expect(begun.status).toBe(202);
      const task = { id: (begun.data as { id: string }).id };
      expect((await ask("followTask", task)).status).toBe(200);
      expect((await ask("showTask", task)).status).toBe(200);
      expect((await ask("cancelTask", task)).status).toBe(202);
      expect((await ask("listTasks")).status).toBe(200);
      expect((await ask("showTask", { id: "none" })).status).toBe(404);
      // Guests have tests of their own, with libvirt.
      expect((await ask("spawnGuest", null, { request: { server: 1 } })).status).toBe(400);
      for (const each of ["startGuest", "stopGuest", "rebootGuest"])
        expect((await ask(each, { id: "none" })).status).toBe(404);
      for (const each of [
        "unrescueGuest",
        "offerGuest",
        "confirmMove",
        "revertMove",
        "settleMove",
        "dismissMove",
        "describeGuest",
        "guestEvacuated",
      ])
        expect((await ask(each, { id: "none" })).status).toBe(404);
      expect((await ask("rescueGuest", { id: "none" }, { image: id })).status).toBe(404);
      for (const each of ["adoptGuest", "expectGuest"])
        expect((await ask(each, null, { document: { kind: "other" } })).status).toBe(400);
      const nowhere = { target: {}, to: "qemu+tls://b.example/system" };
      expect((await ask("sendGuest", { id: "none" }, nowhere)).status).toBe(400);
      for (const each of ["evacuateGuest", "unshelveGuest"]) {
        const body = { document: { kind: "other" }, directory: "/nonexistent" };
        const fields = each === "evacuateGuest" ? { document: body.document, source_is_down: true } : body;
        expect((await ask(each, null, fields)).status).toBe(400);
      }
      expect((await ask("shelveGuest", { id: "none" }, { directory: "/nonexistent" })).status).toBe(404);
      expect((await ask("rebuildInstance", { id }, { request: { server: 1 } })).status).toBe(400);
      expect((await ask("resumeGuests")).data).toEqual({ guests: [] });
      // Plain disks have tests of their own, with device-mapper.
      expect((await ask("listLegacy")).data).toEqual({ instances: [] });
      expect((await ask("openAllLegacy")).data).toEqual({ disks: [] });
      expect((await ask("openLegacy", { id })).data).toEqual({ disks: [] });
      expect((await ask("previewMigration", { id })).status).toBe(422);
      expect((await ask("migrateLegacy", { id }, {})).status).toBe(422);
      expect((await ask("adoptLegacy", { id }, { key: secret })).status).toBe(409);
      expect((await ask("deleteInstance", { id, forget_missing: "true" })).status).toBe(200);
      expect([...called].sort()).toEqual(ROUTES.map((route) => route.id).sort());
    },
  );
});
