import { describeImageBackend } from "@luksmith/testkit";
import { LINEAR, lvmFixture } from "../lvm-fixture.ts";

describeImageBackend("lvm, linear", (services) => lvmFixture(services, LINEAR), { timeoutMs: 240_000 });
