/* The columns of the two tables of XEP-0220 2.5 that only the roles need. */
#ifndef XFED_DIALBACK_CONDITION_H
#define XFED_DIALBACK_CONDITION_H

#include "xfed/dialback.h"

const char *db_condition_type(enum xfed_dialback_condition c);			 /* "cancel", "wait", ... */
enum xfed_dialback_condition db_verdict_condition(enum xfed_dialback_verdict v); /* of the answer in step 4 */
enum xfed_reason db_verdict_reason(enum xfed_dialback_verdict v);

#endif
