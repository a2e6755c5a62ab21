import dataclasses


@dataclasses.dataclass(frozen=True)
class Conventions:
    """Where the public Mod-Cog code and its description differ, one flag each.

    A flag that is set does as the public code does when it runs; a flag that is not does what the
    tasks' description asks for. Use [`tasks.CORRECTED`][] (no flag set) to train, and
    [`tasks.REFERENCE`][] (all set) to compare with models trained on the public code.

    **Arguments:**

    - `colliding_label`: the label is `(1 + response) mod 16`, so that ring direction 15 shares
        label 0 with "keep fixating" and label 16 is never used. Otherwise `1 + response`.
    - `waiting_go`: `go` and `anti` wait 500 ms before the decision, which makes them the same
        tasks as `dlygo` and `dlyanti`. Otherwise they do not wait.
    - `shifted_stimulus`: reach tasks that integrate move the *stimulus* by 0.01 rad per ms of the
        interval away from the response. Otherwise the response is the stimulus direction plus one
        ring unit per 100 ms.
    - `constant_interval`: decision tasks that integrate always wait 500 ms, so that there is no
        interval to time. Otherwise they wait 0 to 1100 ms.
    - `short_sequence`: reaction-time tasks with a sequence decide for 500 ms. Otherwise for
        1000 ms, as all other sequences do.
    - `split_category`: ring direction 8 counts to the first category as a sample and to the second
        as a test. Otherwise always to the second.
    - `noisy_fixation`: decision tasks have noise in the fixation input too. Otherwise in the rings
        alone.
    - `tied_evidence`: tasks that add up both rings keep trials in which the sums tie, and toss a
        coin for the answer. Otherwise such trials do not occur.

    !!! example

        ```python
        only_labels = tasks.Conventions(colliding_label=True)
        battery = tasks.Battery.named("82", conventions=only_labels)
        ```
    """

    colliding_label: bool = False
    waiting_go: bool = False
    shifted_stimulus: bool = False
    constant_interval: bool = False
    short_sequence: bool = False
    split_category: bool = False
    noisy_fixation: bool = False
    tied_evidence: bool = False


CORRECTED = Conventions()
REFERENCE = Conventions(**{flag.name: True for flag in dataclasses.fields(Conventions)})
