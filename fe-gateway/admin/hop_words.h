/* What is wrong with a SIP next hop and what to do about it, in words for administrators. Pure. */
#ifndef GATEWAY_ADMIN_HOP_WORDS_H
#define GATEWAY_ADMIN_HOP_WORDS_H

#include "trunk/trunk.h"

#define HOP_WORDS_SIZE 500

/* "does not answer ...", to follow its label; of one whose state has a reason. */
const char *hop_words(const struct hop_state *s, char out[HOP_WORDS_SIZE]);
/* What to do about it, where more is known than the remedy of hop_words_reason() says; else NULL. */
const char *hop_words_advice(const struct hop_state *s);
/* The reasons of connections and names speak of partners: hop_words() has the cause, and this one the remedy. */
enum xfed_reason hop_words_reason(const struct hop_state *s);

#endif
