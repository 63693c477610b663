"""The way in over HTTPS: clients that readers and the sender take for a Kafka's.

clients     makes them: a `producer`, a `consumer`
session     begins, renews and signs
wire        one request, one bounded answer
proxy       by which proxy, as settings and environment say
answers     what HQ answers, checked to be what was asked for
faults      the errors of this room, in words: what is in the way, and what each of HQ's refusals means
"""
