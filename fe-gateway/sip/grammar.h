/*
 * libosipparser2 as the judge of the grammar. It gets the start line and the fields it has a
 * grammar for and we rely on; bodies, fields we do not know and what our own checks cover better
 * (reference measurements) stay away from it. Where its reading of what identifies a message
 * differs from ours, the message is refused: two readings of one message are how filters are passed
 * by.
 */
#ifndef SIP_GRAMMAR_H
#define SIP_GRAMMAR_H

#include "sip/message.h"

/*
 * OK, INVALID (not in the grammar, or read differently), NOMEM. `m` is complete but for this check. Asks the judge only
 * where there is something to judge: see sip_grammar_is_plain().
 */
int sip_grammar_check(const struct sip_message *m);
/*
 * Every field the judge would get is made of characters that leave no room for a second reading: no quoted strings,
 * comments, lists, escapes, IPv6 references, folds. That it finds nothing in what is plain is held by a fuzz property.
 */
bool sip_grammar_is_plain(const struct sip_message *m);
int sip_grammar_judge(const struct sip_message *m); /* the judge itself, whatever the message looks like */

#endif
