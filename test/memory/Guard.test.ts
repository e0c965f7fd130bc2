import { Gate, GateLive } from "../contract/Gate.ts"
import { contract } from "../contract/guard.ts"
import * as World from "./world.ts"

contract("in memory", World.make(Gate, GateLive))
