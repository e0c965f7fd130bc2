import { Inn, InnLive } from "../contract/Inn.ts"
import { contract } from "../contract/lifetime.ts"
import * as World from "./world.ts"

contract("in memory", World.make(Inn, InnLive))
