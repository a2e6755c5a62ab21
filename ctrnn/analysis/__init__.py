"""Looking inside a trained network: arrays in, arrays out, each analysis with its source."""

from ._subject import Section as Section
from ._subject import Subject as Subject
from ._subject import responses as responses
from ._subject import task_spec as task_spec
