import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UnitGuest } from "./unit-guest.ts";

/** It is one processor, which may have much else to do. */
const SLOW = { timeout: 600_000 };
/** Each look is a program started in the guest. */
const LOOK = { timeout: 300_000, interval: 500 };
const MIB = 1024 * 1024;
const SOCKET = "/run/luksmith/luksmith.sock";

let guest: UnitGuest;
beforeAll(async () => {
  guest = await UnitGuest.start();
}, 300_000);
afterAll(() => guest[Symbol.asyncDispose]());

/** A disk of 1 MiB of an image, and swap. */
async function request(): Promise<{ readonly server: { readonly id: string } }> {
  const image = randomUUID();
  await guest.sh(`head -c ${MIB} /dev/urandom > /var/lib/images/${image}`);
  const specs = { "hw:ephemeral_encryption": "true" };
  const flavor = {
    original_name: "m1",
    vcpus: 1,
    ram: 64,
    disk: 0,
    ephemeral: 0,
    swap: 2,
    extra_specs: specs,
  };
  const server = { id: randomUUID(), name: "web", image: { id: image }, flavor };
  return { server, image: { id: image, status: "active", disk_format: "raw", size: MIB } } as never;
}

async function create(): Promise<string> {
  const body = await request();
  const { id } = await guest.ask<{ id: string }>("POST", "/v1/instances", body);
  await expect.poll(() => guest.ask("GET", `/v1/tasks/${id}`), LOOK).toMatchObject({ state: "done" });
  return body.server.id;
}

/** A create that lasts until disks are thawed, and a daemon that was told to stop meanwhile. */
async function stopInCreate(): Promise<{ readonly instance: string; readonly thaw: () => Promise<void> }> {
  const { thaw } = await freeze();
  const body = await request();
  await guest.ask("POST", "/v1/instances", body);
  await expect.poll(() => guest.ask("GET", "/readyz"), LOOK).toMatchObject({ running: 1 });
  await guest.sh("systemctl stop --no-block luksmith");
  await expect.poll(() => guest.show("StatusText"), LOOK).toBe("letting running operations end");
  return { instance: body.server.id, thaw };
}

const list = async (): Promise<string> => (await guest.luksmith("--json", "list")).out;

// One guest, in which each test goes on from the one before it: to start the daemon is what takes time there.
describe("the unit", () => {
  test("is active when the daemon says that it takes requests, not before", SLOW, async () => {
    await prepareProbe();
    await using _probing = await guest.dropIn(
      "[Service]\nExecStartPost=/bin/sh -c '/usr/local/bin/probe > /run/luksmith/probe'",
    );
    const states = await guest.sh(`systemctl start --no-block luksmith
      for i in $(seq 3000); do
        state=$(systemctl show luksmith --value -p SubState)
        [ -S ${SOCKET} ] && echo "$state socket" || echo "$state none"
        case $state in running|failed) break;; esac
        sleep 0.2
      done`);
    const seen = states.split("\n");
    expect(seen.at(0)).toBe("start none");
    expect(seen.at(-1)).toBe("running socket");
    // What it starts afterwards is started after READY=1.
    expect(seen.filter((each) => each.startsWith("start-post"))).not.toContain("start-post none");
    expect(await guest.ask("GET", "/readyz")).toMatchObject({ ready: true });
    expect(await guest.show("StatusText")).toBe("taking requests");
  });

  test("can do what it needs, and nothing else of what root can", SLOW, async () => {
    const inside = (await guest.sh("cat /run/luksmith/probe")).split("\n");
    const own = ["/var/lib/nova/instances", "/var/lib/luksmith", "/run/luksmith", "/tmp", "/dev/shm"];
    expect(inside).toEqual(own.map((path) => `write ${path}`));
    const outside = (await guest.sh("probe")).split("\n");
    const words = [...(await guest.sh("cat /usr/local/bin/probe")).matchAll(/^can "([^$"]+)"/gm)];
    expect(words.length).toBeGreaterThan(15);
    expect(outside).toEqual(expect.arrayContaining([...inside, ...words.map(([, word]) => word)]));
    await guest.sh("umount /var/lib/nova/instances/probe");

    const status = await guest.sh(`cat /proc/${await guest.show("MainPID")}/status`);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    // CHOWN, DAC_OVERRIDE, FOWNER, SYS_PTRACE.
    for (const set of ["Prm", "Eff", "Bnd"])
      expect(status).toMatch(new RegExp(`^Cap${set}:\t000000000008000b$`, "m"));
    // systemd says what it does not know, and what the kernel does not.
    const said = await guest.sh("journalctl --no-pager -o cat -p warning _PID=1");
    expect(said).not.toMatch(/luksmith|ignor|support/i);
  });

  test("refuses a second daemon by hand, and goes on", SLOW, async () => {
    const second = await guest.luksmith("--json", "serve");
    expect(second.exitCode).not.toBe(0);
    expect(second.err).toContain("StateLocked");
    expect(second.err).toContain(await guest.show("MainPID"));
    expect(await guest.ask("GET", "/readyz")).toMatchObject({ ready: true });
  });

  test(
    "keeps its state over a restart, and over one by the watchdog, which leaves no core file",
    SLOW,
    async () => {
      const id = await create();
      const shown = await guest.luksmith("--json", "show", id);
      expect(shown).toMatchObject({ exitCode: 0 });
      // Cores go to a program, as systemd-coredump has it; this kernel is the test's own.
      await guest.write("/usr/local/bin/catch-core", '#!/bin/sh\n/bin/busybox cat > "/var/core.$1"\n', "755");
      await guest.sh("echo '|/usr/local/bin/catch-core %e' > /proc/sys/kernel/core_pattern");
      await guest.sh("sh -c 'kill -ABRT $$' || true; while ! [ -e /var/core.sh ]; do sleep 0.1; done");
      await using _soon = await guest.dropIn("[Service]\nWatchdogSec=20");
      const before = await guest.show("MainPID");
      await guest.sh("systemctl restart luksmith");
      const stopped = await guest.show("MainPID");
      expect(stopped).not.toBe(before);
      await guest.sh(`kill -STOP ${stopped}`);
      await expect.poll(() => guest.show("NRestarts"), LOOK).toBe("1");
      await expect.poll(() => guest.show("ActiveState"), LOOK).toBe("active");
      expect(await guest.log()).toContain("Watchdog timeout");
      expect(await guest.luksmith("--json", "show", id)).toEqual(shown);
      expect((await guest.luksmith("verify", id)).exitCode).toBe(0);
      expect(await guest.sh("ls /var/core.*")).toBe("/var/core.sh");
    },
  );

  test("is stopped before its package is replaced, and started again only if it ran", SLOW, async () => {
    const before = await guest.show("MainPID");
    await maintain("prerm", "upgrade", "1.1.0");
    expect(await guest.show("ActiveState")).toBe("inactive");
    expect(await guest.show("Result")).toBe("success");
    // What dpkg does when the upgrade fails after that, and when it does not.
    await maintain("postinst", "abort-upgrade", "1.1.0");
    expect(await guest.show("ActiveState")).toBe("active");
    expect(await guest.show("MainPID")).not.toBe(before);
    await guest.sh("systemctl stop luksmith");
    await maintain("prerm", "upgrade", "1.1.0");
    await maintain("postinst", "configure", "1.0.0");
    expect(await guest.show("ActiveState")).toBe("inactive");
    await guest.sh("systemctl start luksmith");
  });

  test("lets what runs end when it is stopped, though disks' storage stands still", SLOW, async () => {
    const { instance, thaw } = await stopInCreate();
    await thaw();
    await expect.poll(() => guest.show("ActiveState"), LOOK).toBe("inactive");
    expect(await guest.show("Result")).toBe("success");
    expect(await list()).toContain(instance);
    expect((await guest.luksmith("verify", instance)).exitCode).toBe(0);
  });

  test("takes back what does not end in time", SLOW, async () => {
    const before = await list();
    await guest.sh("echo 'stop_timeout = 1' >> /etc/luksmith/luksmith.conf; systemctl start luksmith");
    const { instance, thaw } = await stopInCreate();
    await guest.sh("sleep 3");
    await thaw();
    await expect.poll(() => guest.show("ActiveState"), LOOK).toBe("inactive");
    expect(await guest.show("Result")).toBe("success");
    expect(await list()).toBe(before);
    expect(await guest.sh("ls /var/lib/nova/instances")).not.toContain(instance);
    expect(JSON.parse((await guest.luksmith("--json", "recover")).out)).toEqual({ operations: [] });
  });

  test("is not active when it cannot say that it takes requests, whatever it answers", SLOW, async () => {
    await using _mute = await guest.dropIn("[Service]\nEnvironment=PATH=/nothing");
    await guest.sh("systemctl start --no-block luksmith");
    await expect.poll(() => guest.log(), LOOK).toContain("systemd could not be told");
    expect(await guest.ask("GET", "/readyz")).toMatchObject({ ready: true });
    expect(await guest.show("ActiveState")).toBe("activating");
    await guest.sh("systemctl stop luksmith");
  });
});

/** A script of the Debian package, as dpkg gives it its word. */
async function maintain(script: "prerm" | "postinst", ...args: readonly string[]): Promise<void> {
  const at = `/opt/${script}`;
  await guest.write(at, readFileSync(join(import.meta.dirname, "../../../../release/deb", script)), "755");
  await guest.sh(`${at} ${args.join(" ")}`);
}

async function prepareProbe(): Promise<void> {
  const disks = "/var/lib/nova/instances";
  await guest.sh(`mkdir ${disks}/probe; cp /bin/busybox ${disks}/program; mknod ${disks}/node b 98 16
    touch /tmp/of-the-host /root/of-root`);
}

/** Disks' file system stands still: what an operation does there lasts until it is thawed, however fast the machine is. */
async function freeze(): Promise<{ readonly thaw: () => Promise<void> }> {
  await guest.sh("fsfreeze -f /var/lib/nova/instances");
  return { thaw: async () => void (await guest.sh("fsfreeze -u /var/lib/nova/instances")) };
}
