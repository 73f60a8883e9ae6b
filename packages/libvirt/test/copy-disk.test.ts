import { testContext } from "@luksmith/testkit";
import { expect, onTestFinished, test } from "vitest";
import { connectLibvirt } from "../src/client.ts";
import { copyDisk } from "../src/hypervisor/copy-disk.ts";
import { PROCEDURE } from "../src/rpc/procedures.ts";
import { fakeDaemon, welcoming } from "./fake-daemon.ts";

const UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const COPYING = `<domain><devices><disk type="file"><source file="/a"/><target dev="vda"/>MIRROR</disk></devices></domain>`;

test("a copy is not ended when all of it seems done, but when QEMU says that it can be", async () => {
  let looks = 0;
  const ended: number[] = [];
  const uri = await fakeDaemon(
    welcoming(({ procedure }, { reply }) => {
      if (procedure === PROCEDURE.domainGetXmlDesc) {
        const mirror = looks === 0 ? "" : `<mirror type="file"${looks > 3 ? ' ready="yes"' : ""}/>`;
        reply((writer) => writer.string(COPYING.replace("MIRROR", mirror)));
      } else if (procedure === PROCEDURE.domainGetBlockJobInfo) {
        looks++;
        // Found, a copy, no limit, done, total: the same from the first look on.
        reply((writer) => writer.int(1).int(2).hyper(0n).hyper(4096n).hyper(4096n));
      } else {
        if (procedure === PROCEDURE.domainBlockJobAbort) ended.push(looks);
        reply();
      }
    }),
  );
  using libvirt = await connectLibvirt(uri, testContext());
  onTestFinished(() => libvirt[Symbol.dispose]());
  const target = { file: "/copy", format: "raw", key: undefined } as const;
  await copyDisk(libvirt.disks, UUID, "vda", target, testContext());
  expect(ended).toEqual([4]);
});
