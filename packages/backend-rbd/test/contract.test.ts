import { sharedCeph } from "@luksmith/testing-services";
import { describeImageBackend } from "@luksmith/testkit";
import { beforeAll } from "vitest";
import { RbdFixture } from "./rbd-fixture.ts";

beforeAll(() => sharedCeph(), 120_000);

describeImageBackend("rbd", (services) => RbdFixture.open(services));
