import { describeImageBackend } from "@luksmith/testkit";
import { qcow2Fixture } from "./qcow2-fixture.ts";

describeImageBackend("qcow2", qcow2Fixture);
