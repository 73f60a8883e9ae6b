import { describeImageBackend } from "@luksmith/testkit";
import { rawFixture } from "./raw-fixture.ts";

describeImageBackend("raw", rawFixture);
