"""What a planted mistake is: a few words of a correct network's source, exchanged for wrong ones."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """One mistake.

    ``mistake``: what was planted, a name in ``fcnet.gradcheck.diagnosis.mistakes.MISTAKES``.
    ``old``, ``new``: text that occurs once in the source, and what stands there instead.
    ``remark``: what the author was thinking; where ``also`` names other causes, why they are the same gradient here.
    ``also``: other names that are right, too.
    """

    mistake: str
    old: str
    new: str
    remark: str = ""
    also: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every name that counts as the right cause."""
        return (self.mistake, *self.also)
