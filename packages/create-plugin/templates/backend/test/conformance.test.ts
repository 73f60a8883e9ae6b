import { describeImageBackend } from "@luksmith/testkit";
import { acmeFixture } from "./acme-fixture.ts";

describeImageBackend("acme", acmeFixture);
