import { describeImageBackend } from "@luksmith/testkit";
import { lvmFixture, THIN } from "../lvm-fixture.ts";

describeImageBackend("lvm, thin", (services) => lvmFixture(services, THIN), { timeoutMs: 240_000 });
