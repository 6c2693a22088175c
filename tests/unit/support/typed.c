#include "typed.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "xfed/base.h"

#define WORD_MAX 200

static bool is_end(char c)
{
	return strchr(" ()\"';,", c) != NULL; /* the terminating one too */
}

/* "100,000" in English is "100.000" in German. */
static bool is_grouping(const char *from, const char *p)
{
	return (*p == ',' || *p == '.') && p > from && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1]) &&
	       isdigit((unsigned char)p[2]) && isdigit((unsigned char)p[3]);
}

/* The next word without the punctuation around it. False at the end. */
static bool next_word(const char **p, char word[WORD_MAX])
{
	size_t len = 0;
	while (**p && is_end(**p)) {
		(*p)++;
	}
	const char *from = *p;
	for (; !is_end(**p) || is_grouping(from, *p); (*p)++) {
		if (len < WORD_MAX - 1 && !is_grouping(from, *p)) {
			word[len++] = **p;
		}
	}
	while (len > 0 && strchr(".:", word[len - 1])) {
		len--;
	}
	word[len] = '\0';
	return len > 0 || **p;
}

static bool is_in_capitals(const char *word)
{
	size_t len = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return len >= 5 && (word[len] == '\0' || strcmp(word + len, "s") == 0);
}

static bool is_typed(const char *word)
{
	return word[strcspn(word, "0123456789_[]/=<>@.")] != '\0' || is_in_capitals(word);
}

static bool has_word(const char *text, const char *wanted)
{
	char word[WORD_MAX];
	while (next_word(&text, word)) {
		if (strcmp(word, wanted) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- pairs: key: value, xfedctl noun verb ---- */

static size_t count(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *p = strstr(text, part); p; p = strstr(p + 1, part)) {
		n += (p == text || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[strlen(part)]);
	}
	return n;
}

static bool value_differs(const char *one, const char *other, char *out, size_t size)
{
	static const char *const values[] = { ": true", ": false", ": optional", ": required", ": federated", ": id" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(values); i++) {
		for (const char *p = strstr(one, values[i]); p; p = strstr(p + 1, values[i])) {
			const char *key = p;
			while (key > one && !is_end(key[-1])) {
				key--;
			}
			snprintf(out, size, "%.*s%s", (int)(p - key), key, values[i]);
			if (!isalnum((unsigned char)p[strlen(values[i])]) && count(other, out) == 0) {
				return true;
			}
		}
	}
	return false;
}

static bool command_differs(const char *one, const char *other, char *out, size_t size)
{
	static const char *const commands[][2] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) { noun, verb },
#include "xfed/rt/commands.def"
#undef COMMAND
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(commands); i++) {
		snprintf(out, size, "xfedctl %s%s%s", commands[i][0], *commands[i][1] ? " " : "", commands[i][1]);
		if (count(one, out) != count(other, out)) {
			return true;
		}
	}
	snprintf(out, size, "xfedctl");
	return count(one, out) != count(other, out);
}

bool typed_differs(const char *one, const char *other, char *out, size_t size)
{
	char word[WORD_MAX];
	for (const char *p = one; next_word(&p, word);) {
		if (is_typed(word) && !has_word(other, word)) {
			snprintf(out, size, "%s", word);
			return true;
		}
	}
	return value_differs(one, other, out, size) || command_differs(one, other, out, size);
}
