/* What is wrong with a SIP next hop and what to do about it, in words for administrators. Pure. */
#ifndef GATEWAY_ADMIN_HOP_WORDS_H
#define GATEWAY_ADMIN_HOP_WORDS_H

#include "trunk/trunk.h"

#define HOP_WORDS_SIZE 500

/* Words that follow the name of the hop, "does not answer ..."; only for a hop whose state has a reason. */
const char *hop_words(const struct hop_state *s, char out[HOP_WORDS_SIZE]);
/* What to do about it, where more is known than the remedy of hop_words_reason(); else NULL. */
const char *hop_words_advice(const struct hop_state *s);
/*
 * The reason whose remedy applies. Remedies of connection and DNS reasons are about partners; this is one for a SIP server, and hop_words()
 * says the cause.
 */
enum xfed_reason hop_words_reason(const struct hop_state *s);

#endif
