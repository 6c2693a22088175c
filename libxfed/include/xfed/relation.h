/*
 * The states of a presence subscription between two users (RFC 6121 appendix A), in one list: the gateway's table has them
 * (fe-gateway/interwork/relation.h), and commands take their words.
 */
#ifndef XFED_RELATION_H
#define XFED_RELATION_H

/* X(id, word, to, from, pending out, pending in). The words are stored and shown, so they never change. */
#define XFED_RELATIONS(X)                                                                                                                            \
	X(NONE, "none", 0, 0, 0, 0)                                                                                                                  \
	X(NONE_OUT, "none+pending-out", 0, 0, 1, 0)                                                                                                  \
	X(NONE_IN, "none+pending-in", 0, 0, 0, 1)                                                                                                    \
	X(NONE_OUT_IN, "none+pending-out+in", 0, 0, 1, 1)                                                                                            \
	X(TO, "to", 1, 0, 0, 0)                                                                                                                      \
	X(TO_IN, "to+pending-in", 1, 0, 0, 1)                                                                                                        \
	X(FROM, "from", 0, 1, 0, 0)                                                                                                                  \
	X(FROM_OUT, "from+pending-out", 0, 1, 1, 0)                                                                                                  \
	X(BOTH, "both", 1, 1, 0, 0)

#endif
