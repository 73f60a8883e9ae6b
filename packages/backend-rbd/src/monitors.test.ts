import { describe, expect, test } from "vitest";
import { monitorsOf, parseMonitors } from "./monitors.ts";

const of = (line: string) => parseMonitors(`[global]\n${line}\n`);

describe("the monitors in a ceph.conf", () => {
  test.each([
    ["mon_host = 10.0.0.1", [{ name: "10.0.0.1" }]],
    ["mon host = 10.0.0.1:6789, ceph-2", [{ name: "10.0.0.1", port: "6789" }, { name: "ceph-2" }]],
    ["mon-host=10.0.0.1 10.0.0.2", [{ name: "10.0.0.1" }, { name: "10.0.0.2" }]],
    ["mon_host = v2:127.0.0.1:3300/0 # the new protocol", [{ name: "127.0.0.1", port: "3300" }]],
    [
      "mon_host = [v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[v1:10.0.0.2:6789/0]",
      [
        { name: "10.0.0.1", port: "3300" },
        { name: "10.0.0.2", port: "6789" },
      ],
    ],
    [
      "mon_host = [v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0] [fd00::2]:6789 fd00::3",
      [{ name: "fd00::1", port: "3300" }, { name: "fd00::2", port: "6789" }, { name: "fd00::3" }],
    ],
    ["; mon_host = 10.0.0.1", []],
    ["", []],
  ])("%s", (line, expected) => {
    expect(of(line)).toEqual(expected);
  });

  test("are those of the section for all, in the file's last word", () => {
    const text = "[global]\nmon_host = a\n[client]\nmon_host = b\n[global]\nmon_host = c\n";
    expect(parseMonitors(text)).toEqual([{ name: "c" }]);
    expect(monitorsOf("/nowhere/ceph.conf")).toEqual([]);
  });
});
