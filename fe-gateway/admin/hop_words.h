/* What is wrong with a SIP next hop and what to do about it, in words for administrators. Pure. */
#ifndef GATEWAY_ADMIN_HOP_WORDS_H
#define GATEWAY_ADMIN_HOP_WORDS_H

#include "trunk/trunk.h"

#define HOP_WORDS_SIZE 800

/* "does not answer ...: check ...", to follow its label; of one whose state has a reason. */
const char *hop_words(const struct hop_state *s, char out[HOP_WORDS_SIZE]);

#endif
