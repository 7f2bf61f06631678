// The page Lab: filters of the matrix, or one experiment.

import { known } from "./source.js";
import { showExperiment } from "./experiment.js";
import { filterMatrix } from "./matrix.js";

if (known.data.experiment) showExperiment(document.querySelector(".experiment"), known.data.experiment);
else filterMatrix(document.getElementById("filters"));
