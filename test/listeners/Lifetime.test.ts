import { Inn, InnLive } from "../contract/Inn.ts"
import { contract } from "../contract/lifetime.ts"
import * as World from "./world.ts"

contract("in Node", World.stored(Inn, InnLive), { sleeps: false })
