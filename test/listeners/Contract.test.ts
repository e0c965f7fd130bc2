import { contract } from "../contract/suite.ts"
import * as World from "./world.ts"

contract({ name: "over listeners, behind ws", sleeps: false, world: World.make })
