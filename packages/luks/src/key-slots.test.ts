import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sharedXtsKernel } from "./crypto/xts-kernel.ts";
import {
  addKeySlot,
  checkHeader,
  eraseKeySlots,
  type FormatRequest,
  formatContainer,
  GeneratedPassphrase,
  type HeaderWrite,
  killKeySlot,
  Passphrase,
  parseHeader,
  stretchedIterations,
  unlock,
} from "./index.ts";

const AREA = 4096 * 512;

function apply(area: Uint8Array, writes: readonly HeaderWrite[]): void {
  for (const { offset, bytes } of writes) area.set(bytes, offset);
}

function container() {
  const passphrase = GeneratedPassphrase.create();
  const { writes, volumeKey, header } = formatContainer({ uuid: randomUUID(), passphrase });
  const area = Buffer.alloc(AREA);
  apply(area, writes);
  return { passphrase, volumeKey, header, area, writes };
}

const refused = (code: string) => expect.objectContaining({ code });

describe("formatContainer", () => {
  it("writes what the layout says", () => {
    const { header, area } = container();
    expect(parseHeader(area)).toEqual(header);
    expect(header).toMatchObject({
      cipherName: "aes",
      cipherMode: "xts-plain64",
      hashSpec: "sha256",
      payloadOffset: 4096,
      keyBytes: 64,
      digestIterations: 1000,
    });
    expect(header.keySlots.map(({ keyMaterialOffset }) => keyMaterialOffset)).toEqual(
      Array.from({ length: 8 }, (_, i) => 8 + i * 504),
    );
    expect(header.keySlots.map(({ active, iterations, stripes }) => [active, iterations, stripes])).toEqual([
      [true, 1000, 4000],
      ...Array.from({ length: 7 }, () => [false, 0, 4000]),
    ]);
    expect(area.subarray(592, 4096).every((byte) => byte === 0)).toBe(true);
    expect(area.subarray(4096 + 256_000).every((byte) => byte === 0)).toBe(true);
  });

  it("invariant 3: two containers share nothing, also with one passphrase and uuid", () => {
    using passphrase = GeneratedPassphrase.create();
    const request = { uuid: randomUUID(), passphrase };
    const [a, b] = [formatContainer(request), formatContainer(request)];
    expect(a.volumeKey.equals(b.volumeKey)).toBe(false);
    expect(a.header.digestSalt).not.toEqual(b.header.digestSalt);
    expect(a.header.keySlots[0]?.salt).not.toEqual(b.header.keySlots[0]?.salt);
  });

  it("never leaves the volume key or the passphrase in the bytes", () => {
    const { area, volumeKey, passphrase } = container();
    expect(volumeKey.use((key) => area.includes(Buffer.from(key.subarray(0, 16))))).toBe(false);
    expect(passphrase.use((bytes) => area.includes(Buffer.from(bytes.subarray(0, 16))))).toBe(false);
  });

  it.each<Partial<FormatRequest & { passphrase: GeneratedPassphrase }>>([
    { payloadOffset: 4032 },
    { payloadOffset: 4041 },
    { payloadOffset: 2 ** 32 },
    { payloadOffset: Number.NaN },
    { uuid: "" },
    { uuid: "6F9619FF-8B86-D011-B42D-00C04FC964FF" },
    { iterations: 999 },
    { iterations: 12_000_001 },
    { iterations: 1000.5 },
  ])("refuses %o", (change) => {
    using passphrase = GeneratedPassphrase.create();
    const request = { uuid: randomUUID(), passphrase, ...change };
    expect(() => formatContainer(request)).toThrow(refused("LuksRequestInvalid"));
  });

  it("does not stretch a passphrase that a person chose too little, by type and at run time", () => {
    using passphrase = new Passphrase(Buffer.from("correct horse"));
    const uuid = randomUUID();
    // @ts-expect-error -- 1000 iterations are only for a GeneratedPassphrase
    expect(() => formatContainer({ uuid, passphrase, iterations: 1000 })).toThrow(
      refused("LuksRequestInvalid"),
    );
    // @ts-expect-error -- and so is the default
    expect(() => formatContainer({ uuid, passphrase })).toThrow(refused("LuksRequestInvalid"));
    const iterations = stretchedIterations(600_000);
    const { header } = formatContainer({ uuid, passphrase, iterations });
    expect(header.keySlots[0]?.iterations).toBe(600_000);
  });
});

describe("unlock", () => {
  it("opens, repeatedly, and changes nothing in the area", () => {
    const { area, passphrase, volumeKey } = container();
    const before = Buffer.from(area);
    for (let i = 0; i < 3; i++) {
      using opened = unlock(area, passphrase).volumeKey;
      expect(opened.equals(volumeKey)).toBe(true);
    }
    expect(area.equals(before)).toBe(true);
  });

  it("leaves no key material in the sector cipher's scratch memory", () => {
    const { area, passphrase } = container();
    unlock(area, passphrase).volumeKey[Symbol.dispose]();
    const { scratch, tweaks } = sharedXtsKernel();
    expect([...scratch, ...tweaks].every((byte) => byte === 0)).toBe(true);
  });

  it("refuses a wrong passphrase, a closed slot and a short area", () => {
    const { area, passphrase } = container();
    using other = GeneratedPassphrase.create();
    expect(() => unlock(area, other)).toThrow(refused("LuksPassphraseRefused"));
    expect(() => unlock(area, passphrase, { keySlot: 1 })).toThrow(refused("LuksKeySlotUnavailable"));
    expect(() => unlock(area, passphrase, { keySlot: 8 })).toThrow(refused("LuksKeySlotUnavailable"));
    expect(() => unlock(area.subarray(0, 100_000), passphrase)).toThrow(refused("LuksHeaderInvalid"));
  });

  it("notices one flipped bit of digest, salt or key material", () => {
    for (const at of [112, 132, 208 + 8, 4096, 4096 + 255_999]) {
      const { area, passphrase } = container();
      area[at] = (area[at] ?? 0) ^ 1;
      expect(() => unlock(area, passphrase)).toThrow(refused("LuksPassphraseRefused"));
    }
  });

  it("checkHeader adds the findings", () => {
    const { area, passphrase } = container();
    const checked = checkHeader(area, passphrase, { containerBytes: BigInt(AREA) });
    using _key = checked.volumeKey;
    expect(checked.keySlot).toBe(0);
    expect(checked.findings.map(({ code }) => code)).toEqual(["payload-empty"]);
  });
});

describe("the life of key slots", () => {
  it("adds, opens with both, kills, refuses the last, erases", () => {
    const { area, passphrase, volumeKey } = container();
    using second = GeneratedPassphrase.create();

    const added = addKeySlot(area, volumeKey, { passphrase: second });
    expect(added.map(({ offset }) => offset)).toEqual([(8 + 504) * 512, 0]);
    apply(area, added);
    expect(unlock(area, passphrase).keySlot).toBe(0);
    expect(unlock(area, second).keySlot).toBe(1);
    expect(unlock(area, second).volumeKey.equals(volumeKey)).toBe(true);

    const killed = killKeySlot(area, 0);
    expect(killed.map(({ offset }) => offset)).toEqual([8 * 512, 0]);
    apply(area, killed);
    expect(() => unlock(area, passphrase)).toThrow(refused("LuksPassphraseRefused"));
    expect(unlock(area, second).keySlot).toBe(1);
    expect(parseHeader(area).keySlots[0]).toMatchObject({
      active: false,
      iterations: 0,
      keyMaterialOffset: 8,
    });
    expect(() => killKeySlot(area, 0)).toThrow(refused("LuksKeySlotUnavailable"));
    expect(() => killKeySlot(area, 1)).toThrow(/last one/);

    const before = Buffer.from(area);
    const erased = eraseKeySlots(area);
    expect(erased[0]?.offset).toBe(0);
    apply(area, erased);
    expect(() => unlock(area, second)).toThrow(refused("LuksPassphraseRefused"));
    // Slot 0 was killed and slot 1 erased: both had material. The others never did.
    for (let slot = 0; slot < 8; slot++) {
      const start = (8 + slot * 504) * 512;
      const kept = area.subarray(start, start + 256_000).equals(before.subarray(start, start + 256_000));
      expect(kept, `slot ${slot}`).toBe(slot > 1);
    }
    expect(eraseKeySlots(parseHeader(before)), "all eight when only the header is known").toHaveLength(9);
    // Nothing opens even when the old header is put back.
    before.copy(area, 0, 0, 592);
    expect(() => unlock(area, second)).toThrow(refused("LuksPassphraseRefused"));
  });

  it("survives a crash between the two writes of an addition", () => {
    const { area, passphrase, volumeKey } = container();
    using second = GeneratedPassphrase.create();
    apply(area, addKeySlot(area, volumeKey, { passphrase: second }).slice(0, 1));
    expect(unlock(area, passphrase).keySlot).toBe(0);
    expect(() => unlock(area, second)).toThrow(refused("LuksPassphraseRefused"));
  });

  it("erases an odd container too", () => {
    const { area } = container();
    area.set(Buffer.from("\u001b\u0007odd\0", "latin1"), 168);
    const [header] = eraseKeySlots(parseHeader(area));
    expect(parseHeader(header?.bytes ?? area).uuid).toBe("??odd");
  });

  it("erases after the very first write", () => {
    const { area, passphrase } = container();
    apply(area, eraseKeySlots(parseHeader(area)).slice(0, 1));
    expect(() => unlock(area, passphrase)).toThrow(refused("LuksPassphraseRefused"));
    expect(parseHeader(area).keySlots.every(({ salt }) => salt.every((byte) => byte === 0))).toBe(true);
  });

  it("fills eight slots and no more", () => {
    const { area, passphrase, volumeKey } = container();
    apply(area, addKeySlot(area, volumeKey, { passphrase, keySlot: 7 }));
    for (let i = 1; i < 7; i++) apply(area, addKeySlot(area, volumeKey, { passphrase }));
    expect(() => addKeySlot(area, volumeKey, { passphrase })).toThrow(/all eight/);
    for (let keySlot = 0; keySlot < 8; keySlot++) {
      expect(unlock(area, passphrase, { keySlot }).keySlot).toBe(keySlot);
    }
  });

  it("refuses a slot in use, one that does not exist, and another container's key", () => {
    const { area, passphrase, volumeKey } = container();
    const add = (keySlot: number) => () => addKeySlot(area, volumeKey, { passphrase, keySlot });
    for (const keySlot of [0, 8, -1, 0.5]) expect(add(keySlot)).toThrow(refused("LuksKeySlotUnavailable"));
    expect(() => killKeySlot(area, 9)).toThrow(refused("LuksKeySlotUnavailable"));
    using foreign = container().volumeKey;
    expect(() => addKeySlot(area, foreign, { passphrase })).toThrow(/another container/);
  });

  it("keeps header bytes that it does not understand", () => {
    const { area, volumeKey, passphrase } = container();
    area.set(Buffer.from("\u001bodd\0odd", "latin1"), 168);
    const [, header] = addKeySlot(area, volumeKey, { passphrase });
    expect(Buffer.from(header?.bytes ?? []).subarray(168, 208)).toEqual(area.subarray(168, 208));
  });

  it("allows the last one when told to", () => {
    const { area, passphrase } = container();
    apply(area, killKeySlot(area, 0, { allowLast: true }));
    expect(() => unlock(area, passphrase)).toThrow(refused("LuksPassphraseRefused"));
  });
});
