"""Every parser of bytes that somebody else may have written, fed with bytes that nobody would write.

`targets` says what they are; `test_targets` tries each for a moment with hypothesis, in CI; `python -m tests.fuzz`
(`make fuzz`) tries each for as long as it is told with libFuzzer's coverage, through atheris.
"""
