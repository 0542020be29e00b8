"""The lexicon stage: terms as data, compiled into an automaton that reads a channel as it comes."""

from sluice.lexicon.lexicon import Lexicon
from sluice.lexicon.scan import LexiconScan
from sluice.lexicon.term import Term

__all__ = ["Lexicon", "LexiconScan", "Term"]
