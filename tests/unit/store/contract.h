/*
 * What every backend of the store has to do (contract.c), and what a backend's own file (sqlite.c) supplies so that it can be
 * asked: states that only it can bring about.
 */
#ifndef TESTS_UNIT_STORE_CONTRACT_H
#define TESTS_UNIT_STORE_CONTRACT_H

#include "store/store_impl.h"

struct contract_backend {
	const struct store_backend *backend;
	const char *where;	   /* what is opened; errors name it */
	void (*fresh)(void);	   /* nothing is there */
	void (*old)(int version);  /* what the product left behind when its schema was this: contract_old_facts, contract_old_failure */
	int versions;		   /* released so far; old() takes 1 to this */
	void (*newer)(void);	   /* what is there is of a later version */
	void (*lose_key)(void);	   /* what is there has lost a row */
	void (*not_a_store)(void); /* something else is there */
	const char *not_a_store_words;
	const char *nowhere, *nowhere_words;
	void (*room)(size_t bytes); /* the open store may grow by so much; SIZE_MAX: as far as it likes */
};

extern const struct store_facts contract_old_facts;
extern const struct store_failure contract_old_failure; /* from the version on that keeps failures */
#define CONTRACT_FAILURES_SINCE 2

int contract_run(const struct contract_backend *b);

#endif
