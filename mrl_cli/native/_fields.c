/* Rows of delimited text as arrays of numbers and of keys, integers or codes, and such rows as text: the quick way of
   reading and writing CSV and TSV.

   It accepts a row only where it is certain that the careful way (inputs/cells.py) reads the same numbers: digits with
   at most one decimal point and an exponent, with blanks around them, and keys as they stand, without quotes. Keys read
   as integers are written as Python writes these, so that they stand for their texts. At anything else it stops and says
   where. It says whether all it read is ASCII; that other fields are UTF-8 is for the caller to see. It allocates
   nothing, and holds the interpreter's lock only for the few cells that it hands to the interpreter.

   A decimal number w * 10**q is rounded correctly to a double m * 2**p in one of three ways:
   1. An integer w below 2**53 is a double.
   2. w fits 64 bits: its product with 128 bits of 5**q decides, unless it lies too close to a boundary to tell (Lemire,
      Number parsing at a gigabyte per second, 2021; Mushtak and Lemire, Fast number parsing without fallback, 2023).
   3. The interpreter's own conversion, for the few cells that are left. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__ /* of every processor that runs x86-64 */
#include <emmintrin.h>
#endif

#include "powers_of_five.h"

#ifndef __SIZEOF_INT128__
#error "products of 128 bits are needed; without them pyarrow reads"
#endif

__extension__ typedef unsigned __int128 uint128_t;

/* What is called in two places, the second of them seldom: where it is inlined, a row takes 8 % less time. */
#define INLINED static inline __attribute__((always_inline))

enum {
    MOST_COLUMNS = 16,  /* more than there are roles of numbers */
    MOST_DIGITS = 19,   /* so many always fit 64 bits */
    KEY_DIGITS = 18,    /* so many always fit 63 bits */
    LONGEST_CELL = 2047, /* that is handed to the interpreter: boundaries between doubles have up to 767 digits */
    KEY_ROWS = 5,        /* of the array of a column of keys */
    MOST_PROBES = 1000   /* where a hash table is half full, few keys take ten, unless somebody chose them for it */
};

#define EXACT_INTEGERS ((uint64_t)1 << 53) /* below this; EXACT_INTEGER_LIMIT of model/rules.py */
#define MOST_EXPONENT 100000000000000000   /* 10**17, where exponents stop growing: no cell has as many digits */

#define ZEROS 0x3030303030303030 /* eight digits 0 */

static const uint64_t POWERS_OF_TEN[] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
    1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000};

/* A column that is wanted: which field of a row it is, and where its cells go; all but one are NULL. `codes` is the
   first of five rows of `most` places: the code of each cell, then where the first cell of each code begins and ends in
   the text, then a hash table of twice as many places, which holds codes from 1 on. `known` codes are given. */
typedef struct {
    Py_ssize_t place;
    double *numbers;
    int8_t *labels;
    int64_t *integers;
    int32_t *codes;
    Py_ssize_t most;
    int32_t known;
} Column;

typedef struct {
    const uint8_t *start;
    const uint8_t *end; /* of the text, which is never read from here on */
    uint8_t delimiter, decimal;
    Py_ssize_t width; /* fields of a row */
    Py_ssize_t most_rows;
    int wanted;
    Column columns[MOST_COLUMNS]; /* in the order of their places */
    uint8_t stops[256];           /* 1 for the bytes at which a field that is not wanted ends, or is not plain */
    unsigned int beyond_ascii;    /* not 0 where a byte of fields that are no numbers, or one soon after, is no ASCII */
    Py_ssize_t stopped;           /* the place of the field at which a row is not certain, -1 before there is one */
    PyThreadState *state;         /* of the thread, while it does not hold the lock */
} Reading;

static int is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Return eight bytes as an integer whose lowest byte is the first of them. */
static uint64_t eight_bytes(const uint8_t *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, sizeof bytes);
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* Return zero where eight bytes are digits; else the first byte above zero, from the lowest on, is where the first
   other byte is. Digits are 0x30 to 0x39: their upper half is 3, and still is when 6 is added. What that carries out of
   a byte above 0xF9 changes later bytes alone. */
static uint64_t not_digits(uint64_t bytes)
{
    const uint64_t upper = 0xF0F0F0F0F0F0F0F0, threes = ZEROS;
    return ((bytes & upper) ^ threes) | (((bytes + 0x0606060606060606) & upper) ^ threes);
}

/* Return the number that eight digits from 0 to 9 are: neighbours are joined to numbers of two digits, then of four,
   then of eight, each time the first of the two times the power of ten plus the second. */
static uint64_t number_of(uint64_t digits)
{
    digits = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FF;
    digits = (digits * 100 + (digits >> 16)) & 0x0000FFFF0000FFFF;
    return (digits * 10000 + (digits >> 32)) & 0xFFFFFFFF;
}

/* Append digits to the number w, which wraps where they are too many. Return where they end. For few digits. */
static const uint8_t *few_digits(const uint8_t *text, const uint8_t *end, uint64_t *w)
{
    for (; text < end && is_digit(*text); text++)
        *w = *w * 10 + (uint64_t)(*text - '0');
    return text;
}

/* Return the number that the first of eight bytes, less than eight of them, are: they are moved up behind zeros to be
   eight. What `- ZEROS` borrows is from bytes after the digits alone. */
INLINED uint64_t number_of_first(uint64_t bytes, int count)
{
    return number_of((bytes - ZEROS) << (56 - 8 * count) << 8);
}

/* Append those of eight bytes that are digits, which are not all. The last ones, of which nobody can foretell how many
   there are, are moved up behind zeros to be eight: a branch for each would be mispredicted. */
INLINED const uint8_t *last_digits(const uint8_t *text, uint64_t bytes, uint64_t others, uint64_t *w)
{
    int count = __builtin_ctzll(others) / 8;
    *w = *w * POWERS_OF_TEN[count] + number_of_first(bytes, count);
    return text + count;
}

#ifdef __SSE2__
enum { BYTES_BEFORE = 16, BYTES_FROM = 32 }; /* of the text, around the first digit, that sixteen_digits reads */

/* Append up to 31 digits, without a branch; w is right where it is no longer than MOST_DIGITS. As many as there are of
   the first 16 become the last of 16 bytes, behind zeros; neighbours are joined as in number_of. Up to three follow. */
INLINED const uint8_t *sixteen_digits(const uint8_t *text, uint64_t *w)
{
    static const uint8_t lower_halves[32] = {[16] = 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15};
    const __m128i to_least = _mm_set1_epi8((char)(0x80 - '0')), beyond = _mm_set1_epi8((char)(0x80 + 10));
    __m128i first = _mm_loadu_si128((const __m128i *)text), second = _mm_loadu_si128((const __m128i *)(text + 16));
    uint32_t first_are = (uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(_mm_add_epi8(first, to_least), beyond));
    uint32_t second_are = (uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(_mm_add_epi8(second, to_least), beyond));
    int all = __builtin_ctz(~(first_are | second_are << 16) | 0x80000000);
    int count = all < 16 ? all : 16, rest = (all - count) & 3;
    __m128i ones = _mm_and_si128(_mm_loadu_si128((const __m128i *)(text + count - 16)),
                                 _mm_loadu_si128((const __m128i *)(lower_halves + count)));
    __m128i tens = _mm_and_si128(ones, _mm_set1_epi16(0xFF));
    __m128i twos = _mm_add_epi16(_mm_mullo_epi16(tens, _mm_set1_epi16(10)), _mm_srli_epi16(ones, 8));
    __m128i fours = _mm_madd_epi16(twos, _mm_set1_epi32(1 << 16 | 100));
    __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    uint64_t number = *w * POWERS_OF_TEN[count] + (both & UINT32_MAX) * 100000000 + (both >> 32);
    *w = number * POWERS_OF_TEN[rest] + number_of_first(eight_bytes(text + 16), rest);
    return text + all;
}
#endif

/* As few_digits, for many: eight or sixteen at a time. `start` is that of the text. There may be still more digits than
   these where there are more than MOST_DIGITS. */
INLINED const uint8_t *many_digits(const uint8_t *start, const uint8_t *text, const uint8_t *end, uint64_t *w)
{
#ifdef __SSE2__
    if (end - text >= BYTES_FROM && text - start >= BYTES_BEFORE) {
        uint64_t bytes = eight_bytes(text), others = not_digits(bytes);
        return others != 0 ? last_digits(text, bytes, others, w) : sixteen_digits(text, w);
    }
#endif
    for (; end - text >= 8; text += 8) {
        uint64_t bytes = eight_bytes(text), others = not_digits(bytes);
        if (others != 0)
            return last_digits(text, bytes, others, w);
        *w = *w * 100000000 + number_of(bytes - ZEROS);
    }
    return few_digits(text, end, w);
}

/* Read what follows the letter of an exponent and add it to q. Return where it ends, NULL where there is no digit. */
static const uint8_t *exponent(const uint8_t *text, const uint8_t *end, int64_t *q)
{
    int64_t size = 0;
    int is_negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+'))
        text++;
    if (text == end || !is_digit(*text))
        return NULL;
    for (; text < end && is_digit(*text); text++)
        if (size < MOST_EXPONENT)
            size = size * 10 + (*text - '0');
    *q += is_negative ? -size : size;
    return text;
}

/* Read the first digits of a number again, without zeros before them, as w * 10**q; `cut` is set where others than
   zeros are left out. */
static void first_digits(const uint8_t *text, const uint8_t *end, uint8_t decimal, uint64_t *w, int64_t *q, int *cut)
{
    int count = 0, is_fraction = 0;
    *w = 0;
    *cut = 0;
    for (*q = 0; text < end; text++) {
        if (*text == decimal) {
            is_fraction = 1;
        } else if (count < MOST_DIGITS) {
            *w = *w * 10 + (uint64_t)(*text - '0');
            count += *w != 0;
            *q -= is_fraction;
        } else {
            *cut |= *text != '0';
            *q += !is_fraction;
        }
    }
}

/* Round w * 10**q to the nearest double, by way 2. Return 0 where that is not certain, nor a normal double. */
INLINED int nearest(uint64_t w, int64_t q, double *number)
{
    if (w == 0) {
        *number = 0.0;
        return 1;
    }
    if (q < LEAST_POWER || q > MOST_POWER)
        return 0;
    const uint64_t *power = POWERS_OF_FIVE[q - LEAST_POWER];
    int shift = __builtin_clzll(w);
    uint128_t product = (uint128_t)(w << shift) * power[0];
    uint64_t upper = (uint64_t)(product >> 64), lower = (uint64_t)product;
    /* 55 bits of the product are used. The lower half of the power matters where what it adds can carry into them. */
    if ((upper & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)((uint128_t)(w << shift) * power[1] >> 64);
        lower += more;
        upper += lower < more;
        /* What the table cuts off 5**q could carry once more; within these bounds nothing that matters is cut off. */
        if (lower == UINT64_MAX && (q < -27 || q > 55))
            return 0;
    }
    int top = (int)(upper >> 63), extra = top + 9;
    uint64_t m = upper >> extra; /* 54 bits: one more than a double has */
    /* 217706 / 2**16 is log2(10), closely enough for the floor of q*log2(10) at each q of the table. */
    int64_t p = ((217706 * q) >> 16) + 63 + top - shift + 1023;
    /* Halfway between two doubles, the even one is nearest. Only these powers are small enough for that, and there both
       halves of the product are exact: what rounding a reciprocal up adds lies below them. */
    if (lower == 0 && q >= -4 && q <= 23 && (m & 3) == 1 && m << extra == upper)
        m &= ~(uint64_t)1;
    m = (m + (m & 1)) >> 1;
    if (m == (uint64_t)1 << 53) {
        m >>= 1;
        p++;
    }
    if (p < 1 || p > 2046) /* subnormal, or too large */
        return 0;
    uint64_t bits = (m & (((uint64_t)1 << 52) - 1)) | (uint64_t)p << 52;
    memcpy(number, &bits, sizeof bits);
    return 1;
}

/* Round a number without sign by the interpreter's own conversion. Return 0 where it is infinite, or too long. */
static int by_interpreter(Reading *reading, const uint8_t *text, const uint8_t *end, double *number)
{
    char copy[LONGEST_CELL + 1], *stop = NULL;
    Py_ssize_t size = end - text;
    if (size > LONGEST_CELL)
        return 0;
    for (Py_ssize_t i = 0; i < size; i++)
        copy[i] = text[i] == reading->decimal ? '.' : (char)text[i];
    copy[size] = '\0';
    PyEval_RestoreThread(reading->state);
    *number = PyOS_string_to_double(copy, &stop, NULL);
    int is_certain = PyErr_Occurred() == NULL && stop == copy + size && isfinite(*number);
    PyErr_Clear();
    reading->state = PyEval_SaveThread();
    return is_certain;
}

/* Read a number. Return where it ends, NULL where there is none or it is not certain. */
INLINED const uint8_t *number(Reading *reading, const uint8_t *text, double *result)
{
    const uint8_t *end = reading->end;
    int is_negative = text < end && *text == '-', is_integer = 1, cut = 0;
    text += is_negative | (text < end && *text == '+'); /* without a branch: signs cannot be foretold */
    uint64_t w = 0, bits;
    int64_t q = 0;
    const uint8_t *last = few_digits(text, end, &w);
    int64_t count = last - text;
    if (last < end && *last == reading->decimal) {
        const uint8_t *fraction = last + 1;
        last = many_digits(reading->start, fraction, end, &w);
        q = fraction - last;
        count -= q;
        is_integer = 0;
    }
    if (count == 0)
        return NULL;
    if (count > MOST_DIGITS) {
        last = few_digits(last, end, &w);
        first_digits(text, last, reading->decimal, &w, &q, &cut);
    }
    if (last < end && (*last == 'e' || *last == 'E')) {
        last = exponent(last + 1, end, &q);
        if (last == NULL)
            return NULL;
        is_integer = 0;
    }
    double value, above;
    if (is_integer && w < EXACT_INTEGERS)
        value = (double)w;
    else if (is_integer) /* its last digits may be lost */
        return NULL;
    else if (!nearest(w, q, &value) || (cut && (!nearest(w + 1, q, &above) || above > value)))
        if (!by_interpreter(reading, text, last, &value))
            return NULL;
    memcpy(&bits, &value, sizeof bits);
    bits |= (uint64_t)is_negative << 63;
    memcpy(result, &bits, sizeof bits);
    return last;
}

static const uint8_t *blanks(const Reading *reading, const uint8_t *text)
{
    while (text < reading->end && (*text == ' ' || *text == '\t') && *text != reading->delimiter)
        text++;
    return text;
}

/* Read a label that is a small integer, and zero has no sign; the careful way reads the others. As `number`. */
static const uint8_t *label(Reading *reading, const uint8_t *text, int8_t *result)
{
    const uint8_t *end = reading->end;
    int is_negative = text < end && *text == '-';
    const uint8_t *first = text + (is_negative | (text < end && *text == '+'));
    uint64_t w = 0;
    const uint8_t *last = few_digits(first, end, &w);
    int is_plain = last == end || (*last != reading->decimal && *last != 'e' && *last != 'E');
    if (is_plain && last > first && last - first <= MOST_DIGITS && w <= INT8_MAX && w >= (uint64_t)is_negative) {
        *result = (int8_t)(is_negative ? -(int)w : (int)w);
        return last;
    }
    double value;
    last = number(reading, text, &value); /* it may be written as a decimal number */
    if (last == NULL || !(value >= INT8_MIN && value <= INT8_MAX) || value != (int8_t)value)
        return NULL;
    if (value == 0 && is_negative)
        return NULL;
    *result = (int8_t)value;
    return last;
}

/* Return where a byte is at which a field ends, or that is not plain; else the end of the text. */
static const uint8_t *field_end(Reading *reading, const uint8_t *text)
{
#ifdef __SSE2__
    const __m128i delimiter = _mm_set1_epi8((char)reading->delimiter), quote = _mm_set1_epi8('"');
    const __m128i feed = _mm_set1_epi8('\n'), end_of_line = _mm_set1_epi8('\r'), null = _mm_setzero_si128();
    for (; reading->end - text >= 16; text += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)text);
        __m128i stops = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), _mm_cmpeq_epi8(bytes, feed));
        stops = _mm_or_si128(stops, _mm_or_si128(_mm_cmpeq_epi8(bytes, end_of_line), _mm_cmpeq_epi8(bytes, quote)));
        int are_stops = _mm_movemask_epi8(_mm_or_si128(stops, _mm_cmpeq_epi8(bytes, null)));
        reading->beyond_ascii |= (unsigned int)_mm_movemask_epi8(bytes);
        if (are_stops != 0)
            return text + __builtin_ctz((unsigned int)are_stops);
    }
#endif
    for (; text < reading->end && !reading->stops[*text]; text++)
        reading->beyond_ascii |= *text & 0x80;
    return text;
}

/* Return a hash of a key, which ends at `stop`: it is mixed eight bytes at a time, and the upper half of each product,
   which is mixed best, with the lower. */
static uint64_t hash_of(const uint8_t *text, const uint8_t *stop, const uint8_t *end)
{
    uint64_t hash = (uint64_t)(stop - text);
    for (; text < stop; text += 8) {
        uint64_t bytes = 0;
        Py_ssize_t left = stop - text;
        if (end - text >= 8)
            bytes = left >= 8 ? eight_bytes(text) : eight_bytes(text) & (((uint64_t)1 << 8 * left) - 1);
        else
            for (Py_ssize_t i = 0; i < left; i++)
                bytes |= (uint64_t)text[i] << 8 * i;
        hash = (hash ^ bytes) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 32;
    }
    return hash;
}

/* Return whether two texts of one size are the same: most keys are short, and calling memcmp takes longer than this. */
static int are_same(const uint8_t *left, const uint8_t *right, Py_ssize_t size)
{
    for (; size >= 8; left += 8, right += 8, size -= 8)
        if (eight_bytes(left) != eight_bytes(right))
            return 0;
    for (Py_ssize_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return 0;
    return 1;
}

/* Read a key, whose code goes into a row. Return where it ends, NULL where it is too far away, or found too slowly. */
static const uint8_t *key(Reading *reading, Column *column, const uint8_t *text, Py_ssize_t row)
{
    const uint8_t *first = text;
    text = field_end(reading, text);
    uint64_t hash = hash_of(first, text, reading->end);
    if (text - reading->start > INT32_MAX)
        return NULL;
    int32_t *starts = column->codes + column->most, *ends = starts + column->most, *slots = ends + column->most;
    uint64_t mask = 2 * (uint64_t)column->most - 1;
    for (uint64_t probe = 0; probe < MOST_PROBES; probe++) {
        int32_t *slot = slots + ((hash + probe) & mask);
        if (*slot == 0) {
            starts[column->known] = (int32_t)(first - reading->start);
            ends[column->known] = (int32_t)(text - reading->start);
            *slot = ++column->known;
        }
        int32_t code = *slot - 1, size = ends[code] - starts[code];
        if (size == text - first && are_same(reading->start + starts[code], first, size)) {
            column->codes[row] = code;
            return text;
        }
    }
    return NULL;
}

/* Read a key that is an integer. Return where it ends, NULL where Python does not write it so, or it is too long. */
static const uint8_t *integer(const Reading *reading, const uint8_t *text, int64_t *result)
{
    const uint8_t *end = reading->end, *first = text + (text < end && *text == '-');
    uint64_t w = 0;
    const uint8_t *last = many_digits(reading->start, first, end, &w);
    Py_ssize_t count = last - first;
    if (count < 1 || count > KEY_DIGITS || (*first == '0' && last - text > 1))
        return NULL;
    *result = first == text ? (int64_t)w : -(int64_t)w;
    return last;
}

/* Read the cell of a column into a row. Return where it ends, NULL where it is not certain. */
static const uint8_t *cell(Reading *reading, Column *column, const uint8_t *text, Py_ssize_t row)
{
    if (column->codes != NULL)
        return key(reading, column, text, row);
    if (column->integers != NULL)
        return integer(reading, text, column->integers + row);
    text = blanks(reading, text);
    text = column->labels == NULL ? number(reading, text, column->numbers + row)
                                  : label(reading, text, column->labels + row);
    return text == NULL ? NULL : blanks(reading, text);
}

/* Return where the line end that stands here ends, at the end of the text too; NULL where there is another byte. A lone
   carriage return, which ends lines as well, is left to the careful way. */
static const uint8_t *line_end(const Reading *reading, const uint8_t *text)
{
    if (text == reading->end)
        return text;
    if (*text == '\r' && ++text == reading->end)
        return NULL;
    return *text == '\n' ? text + 1 : NULL;
}

/* Read a row. Return where the next one begins, NULL, with the place set, where something is not certain. */
static const uint8_t *row(Reading *reading, const uint8_t *text, Py_ssize_t number_of_row)
{
    Column *column = reading->columns, *last = reading->columns + reading->wanted;
    Py_ssize_t place = 0;
    for (;; place++) {
        if (column < last && column->place == place)
            text = cell(reading, column++, text, number_of_row);
        else
            text = field_end(reading, text);
        if (text == NULL || place == reading->width - 1)
            break;
        if (text == reading->end || *text != reading->delimiter) {
            text = NULL;
            break;
        }
        text++;
    }
    text = text == NULL ? NULL : line_end(reading, text);
    if (text == NULL)
        reading->stopped = place;
    return text;
}

/* Read rows until one is not certain. Set `text` to where that begins, or to the end, and `blank` to the number of blank
   lines; return how many rows were read. */
static Py_ssize_t rows(Reading *reading, const uint8_t **text, Py_ssize_t *blank)
{
    Py_ssize_t count = 0;
    while (*text < reading->end) {
        const uint8_t *next = NULL;
        if (**text == '\n' || **text == '\r') {
            next = line_end(reading, *text); /* blank lines are no rows */
            *blank += next != NULL;
        } else if (count < reading->most_rows) {
            next = row(reading, *text, count);
            count += next != NULL;
        }
        if (next == NULL)
            break;
        *text = next;
    }
    return count;
}

/* Take the array of a column. Return for how many rows it has room, -1, with the error set, for one of another kind. */
static Py_ssize_t take_array(Column *column, const Py_buffer *view)
{
    const char *format = view->format == NULL ? "" : view->format;
    Py_ssize_t count = view->len / view->itemsize, most = count / KEY_ROWS;
    if (strcmp(format, "d") == 0)
        column->numbers = view->buf;
    else if (strcmp(format, "b") == 0)
        column->labels = view->buf;
    else if (strchr("lq", *format) != NULL && view->itemsize == sizeof(int64_t))
        column->integers = view->buf;
    else if (strchr("il", *format) != NULL && view->itemsize == sizeof(int32_t)) {
        if (count != KEY_ROWS * most || most < 1 || most > INT32_MAX / 2 || (most & (most - 1)) != 0) {
            PyErr_SetString(PyExc_ValueError, "an array of keys has five rows of a power of two");
            return -1;
        }
        column->codes = view->buf;
        column->most = count = most;
        memset(column->codes + 3 * most, 0, 2 * (size_t)most * sizeof(int32_t));
    } else {
        PyErr_SetString(PyExc_TypeError, "a column is an array of float64, int8, int64 or int32");
        return -1;
    }
    return count;
}

/* Take the arrays of the columns that are wanted. Return 0, with the error set, where they are not what is expected. */
static int take_columns(Reading *reading, PyObject *columns, Py_buffer *views)
{
    reading->width = PyTuple_Size(columns);
    reading->most_rows = PY_SSIZE_T_MAX;
    for (Py_ssize_t place = 0; place < reading->width; place++) {
        PyObject *array = PyTuple_GetItem(columns, place);
        if (array == Py_None)
            continue;
        if (reading->wanted == MOST_COLUMNS) {
            PyErr_SetString(PyExc_ValueError, "too many columns");
            return 0;
        }
        Py_buffer *view = views + reading->wanted;
        if (PyObject_GetBuffer(array, view, PyBUF_CONTIG | PyBUF_FORMAT) < 0)
            return 0;
        Column *column = reading->columns + reading->wanted++;
        Py_ssize_t most_rows = take_array(column, view);
        if (most_rows < 0)
            return 0;
        column->place = place;
        if (reading->most_rows > most_rows)
            reading->most_rows = most_rows;
    }
    return 1;
}

static PyObject *read_text(PyObject *module, PyObject *arguments)
{
    Py_buffer data, views[MOST_COLUMNS];
    PyObject *columns, *result = NULL;
    int delimiter, decimal;
    Reading reading = {0};
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*CCO!:read", &data, &delimiter, &decimal, &PyTuple_Type, &columns))
        return NULL;
    if (delimiter > 127 || decimal > 127) {
        PyErr_SetString(PyExc_ValueError, "delimiter and decimal point are ASCII");
    } else if (take_columns(&reading, columns, views)) {
        const uint8_t *start = data.buf, *text = start;
        reading.start = start;
        reading.end = start + data.len;
        reading.stopped = -1;
        reading.delimiter = (uint8_t)delimiter;
        reading.decimal = (uint8_t)decimal;
        reading.stops['\0'] = reading.stops['"'] = reading.stops['\r'] = reading.stops['\n'] = 1;
        reading.stops[delimiter] = 1;
        reading.state = PyEval_SaveThread();
        Py_ssize_t blank = 0, count = rows(&reading, &text, &blank);
        PyEval_RestoreThread(reading.state);
        PyObject *is_ascii = reading.beyond_ascii == 0 ? Py_True : Py_False;
        result = Py_BuildValue("nnnnO", count, (Py_ssize_t)(text - start), count + blank, reading.stopped, is_ascii);
    }
    for (int place = 0; place < reading.wanted; place++)
        PyBuffer_Release(views + place);
    PyBuffer_Release(&data);
    return result;
}

PyDoc_STRVAR(read_doc, "read(data, delimiter, decimal, columns, /)\n--\n\n"
                       "Read rows into arrays; return how many there are, how many bytes and lines of data these take, the\n"
                       "place of the field at which the row after them is not certain, -1 where there is none, and\n"
                       "whether all of them is certainly ASCII.");

/* Rows as text, with numbers as Python's repr has them: the shortest decimal number that is read as the same double, and
   of these the nearest; it has a point or an exponent, so that it is read as no integer.

   A double c * 2**q stands for all numbers between the points halfway to its neighbours. With k the floor of q*log10(2)
   these lie 1 to 10 times 10**k apart: between them is a multiple of 10**k, and at most one of 10**(k + 1), which the
   shorter numbers are among (Giulietti, The Schubfach way to render doubles, 2020). In units of 10**k / 4 all of these
   are even numbers, and a product with 128 bits of 10**-k tells on which side of one it lies: a test computes how close
   to one it can come. */

enum {
    DIGITS = 17,         /* of the longest */
    LEAST_PLAIN = -4,    /* the powers of ten of the first digit that are written without an exponent: from this */
    BEYOND_PLAIN = 16,   /* and below this one */
    NUMBER_LENGTH = 24,  /* of the longest text, and of that of an */
    INTEGER_LENGTH = 20,
    NUMBER_ROOM = 48,    /* the longest text, and what is written beyond its end */
    MOST_PIECES = 128,   /* of a row */
    FRACTION_BITS = 52   /* of a double */
};

#define INFINITE_BITS ((uint64_t)0x7FF << FRACTION_BITS) /* of infinity, and below those of NaN */
#define LEAST_OF_DIGITS ((uint64_t)10000000000000000) /* 10**16, the least number of DIGITS digits */

/* Return a number below 10**8 as eight bytes, its digits, the first of them lowest: it is split into numbers of four
   digits, these into such of two, and these into digits. The factors are reciprocals, large enough for what is split. */
static uint64_t eight_digits(uint32_t number)
{
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007F0000007F;
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F;
    return tens | (twos - tens * 10) << 8;
}

/* Store eight bytes, the lowest of an integer first. */
static void store_eight(uint8_t *text, uint64_t bytes)
{
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    memcpy(text, &bytes, sizeof bytes);
}

/* Return the floor of a product with a power, over 2**128, with its lowest bit set where it is not all. */
static uint64_t product_of(uint64_t factor, const uint64_t *power)
{
    uint128_t product = (uint128_t)factor * power[0] + ((uint128_t)factor * power[1] >> 64);
    return (uint64_t)(product >> 64) | ((uint64_t)product != 0);
}

/* Return the digits of the shortest number that is read as the double of these bits, which is finite and above zero;
   `power` is set to that of ten by which they are multiplied. They may end in zeros. */
static uint64_t shortest(uint64_t bits, int *power)
{
    uint64_t c = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    int q = (int)(bits >> FRACTION_BITS), is_lopsided = c == 0 && q > 1; /* the double below is half as far */
    c |= (uint64_t)(q > 0) << FRACTION_BITS;
    q = (q > 0 ? q : 1) - 1075;
    /* 315653 / 2**20 is log10(2), and -131007 / 2**20 log10(3/4), closely enough for the floor at each q there is. */
    int k = (315653 * q - (is_lopsided ? 131007 : 0)) >> 20;
    int shift = q + ((-217706 * k) >> 16) + 1;
    const uint64_t *scale = POWERS_OF_FIVE[-k - LEAST_POWER];
    uint64_t middle = product_of(4 * c << shift, scale);
    /* Halfway, the even double is read: without the last bit of an odd one, no number there is within. */
    uint64_t least = product_of((4 * c - 2 + (uint64_t)is_lopsided) << shift, scale) + (c & 1);
    uint64_t most = product_of((4 * c + 2) << shift, scale) - (c & 1);
    *power = k;
    uint64_t whole = middle >> 2, tens = whole / 10 * 10;
    int is_lower = least <= 4 * tens, is_upper = 4 * (tens + 10) <= most;
    if (is_lower != is_upper)
        return tens + (is_upper ? 10 : 0);
    is_lower = least <= 4 * whole;
    is_upper = 4 * (whole + 1) <= most;
    if (is_lower == is_upper) {
        uint64_t half = 4 * whole + 2;
        is_upper = middle > half || (middle == half && (whole & 1));
    }
    return whole + (uint64_t)is_upper;
}

/* Write digits with the point where it belongs, or an exponent; `power` is that of ten of the first of them. Return the
   end of the text. More bytes than that are written: NUMBER_ROOM at most. */
static uint8_t *decimal_text(uint8_t *text, const uint8_t *digits, int count, int power)
{
    if (power >= LEAST_PLAIN && power < 0) {
        memcpy(text, "0.000000", 8);
        memcpy(text + 1 - power, digits, 24);
        return text + 1 - power + count;
    }
    int whole = power >= 0 && power < BEYOND_PLAIN ? power + 1 : 1; /* digits before the point */
    memcpy(text, digits, 16);
    memcpy(text + whole + 1, digits + whole, 16);
    text[whole] = '.';
    if (power >= 0 && power < BEYOND_PLAIN)
        return text + (count > whole ? count + 1 : whole + 2); /* a zero stands there for no digits */
    text += count > 1 ? count + 1 : 1;
    *text++ = 'e';
    *text++ = power < 0 ? '-' : '+';
    unsigned int size = (unsigned int)(power < 0 ? -power : power);
    if (size >= 100)
        *text++ = (uint8_t)('0' + size / 100);
    *text++ = (uint8_t)('0' + size / 10 % 10);
    *text++ = (uint8_t)('0' + size % 10);
    return text;
}

/* Write a number; return the end. More bytes than that are written: NUMBER_ROOM at most. */
static uint8_t *number_text(uint8_t *text, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    int is_negative = (int)(bits >> 63);
    bits &= UINT64_MAX >> 1;
    if (bits >= INFINITE_BITS) {
        const char *name = bits > INFINITE_BITS ? "NaN" : is_negative ? "-Infinity" : "Infinity";
        memcpy(text, name, strlen(name));
        return text + strlen(name);
    }
    *text = '-';
    text += is_negative;
    if (bits == 0) {
        memcpy(text, "0.0", 3);
        return text + 3;
    }
    int power;
    uint64_t whole = shortest(bits, &power);
    for (; whole < LEAST_OF_DIGITS; whole *= 10)
        power--;
    uint64_t upper = eight_digits((uint32_t)(whole / 100000000 % 100000000));
    uint64_t lower = eight_digits((uint32_t)(whole % 100000000));
    int count = 1; /* of the digits, without zeros at their end */
    if (lower != 0)
        count = DIGITS - __builtin_clzll(lower) / 8;
    else if (upper != 0)
        count = DIGITS - 8 - __builtin_clzll(upper) / 8;
    uint8_t digits[40];
    digits[0] = (uint8_t)('0' + whole / LEAST_OF_DIGITS);
    store_eight(digits + 1, upper | ZEROS);
    store_eight(digits + 9, lower | ZEROS);
    memset(digits + DIGITS, '0', sizeof digits - DIGITS);
    return decimal_text(text, digits, count, power + DIGITS - 1);
}

/* Write an integer; return the end. */
static uint8_t *integer_text(uint8_t *text, int64_t number)
{
    uint8_t digits[INTEGER_LENGTH], *first = digits + sizeof digits;
    uint64_t size = number < 0 ? -(uint64_t)number : (uint64_t)number;
    *text = '-';
    text += number < 0;
    do {
        *--first = (uint8_t)('0' + size % 10);
        size /= 10;
    } while (size != 0);
    size_t count = (size_t)(digits + sizeof digits - first);
    memcpy(text, first, count);
    return text + count;
}

/* What every row has at one place: a number or an integer of its own, a text of its own, data[ends[row]] to
   data[ends[row + 1]], or the same text. All but one of the arrays are NULL. */
typedef struct {
    const uint8_t *numbers, *integers, *ends, *data;
    Py_ssize_t size; /* of the data */
} Piece;

/* Write a piece of a row; return the end, NULL where its text does not lie in the data. */
static uint8_t *piece_text(uint8_t *text, const Piece *piece, Py_ssize_t row)
{
    if (piece->numbers != NULL) {
        double number;
        memcpy(&number, piece->numbers + row * (Py_ssize_t)sizeof number, sizeof number);
        return number_text(text, number);
    }
    if (piece->integers != NULL) {
        int64_t number;
        memcpy(&number, piece->integers + row * (Py_ssize_t)sizeof number, sizeof number);
        return integer_text(text, number);
    }
    Py_ssize_t start = 0, stop = piece->size;
    if (piece->ends != NULL) {
        int32_t edges[2];
        memcpy(edges, piece->ends + row * (Py_ssize_t)sizeof *edges, sizeof edges);
        start = edges[0];
        stop = edges[1];
        if (start < 0 || stop < start || stop > piece->size)
            return NULL;
    }
    memcpy(text, piece->data + start, (size_t)(stop - start));
    return text + (stop - start);
}

/* The pieces of a row, and of how many bytes at most a row is, but for texts of its own. */
typedef struct {
    int count, views_count;
    Piece pieces[MOST_PIECES];
    Py_buffer views[2 * MOST_PIECES];
    Py_ssize_t rows; /* -1 while that is not known */
    Py_ssize_t row_room, text_room;
} Writing;

/* Take a buffer of one of these formats, all of whose items have one size. Return NULL, with the error set, where it is
   another. */
static const Py_buffer *take_view(Writing *writing, PyObject *array, const char *formats, Py_ssize_t item_size)
{
    Py_buffer *view = writing->views + writing->views_count;
    if (PyObject_GetBuffer(array, view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0)
        return NULL;
    writing->views_count++;
    const char *format = view->format == NULL ? "B" : view->format;
    if (strlen(format) == 1 && strchr(formats, *format) != NULL && view->itemsize == item_size)
        return view;
    PyErr_SetString(PyExc_TypeError, "a piece is bytes, an array of float64 or int64, or int32 ends and bytes");
    return NULL;
}

/* Take a piece. Return 0, with the error set, where it is none. */
static int take_piece(Writing *writing, PyObject *object)
{
    if (writing->count == MOST_PIECES) {
        PyErr_SetString(PyExc_ValueError, "too many pieces");
        return 0;
    }
    Piece *piece = writing->pieces + writing->count++;
    const Py_buffer *view;
    Py_ssize_t rows;
    if (PyBytes_Check(object)) {
        if ((view = take_view(writing, object, "B", 1)) == NULL)
            return 0;
        piece->data = view->buf;
        piece->size = view->len;
        writing->row_room += view->len;
        return 1;
    }
    if (PyTuple_Check(object)) {
        PyObject *ends, *data;
        if (!PyArg_ParseTuple(object, "OO", &ends, &data) || (view = take_view(writing, ends, "il", 4)) == NULL)
            return 0;
        piece->ends = view->buf;
        rows = view->len / 4 - 1;
        if ((view = take_view(writing, data, "Bbc", 1)) == NULL)
            return 0;
        piece->data = view->buf;
        piece->size = view->len;
        writing->text_room += view->len;
    } else {
        if ((view = take_view(writing, object, "dlq", 8)) == NULL)
            return 0;
        rows = view->len / 8;
        if (*view->format == 'd')
            piece->numbers = view->buf;
        else
            piece->integers = view->buf;
        writing->row_room += *view->format == 'd' ? NUMBER_LENGTH : INTEGER_LENGTH;
    }
    if (writing->rows < 0)
        writing->rows = rows;
    if (rows >= 0 && rows == writing->rows)
        return 1;
    PyErr_SetString(PyExc_ValueError, "all pieces have a place for every row");
    return 0;
}

/* Write rows. Return the end, NULL where a text does not lie in its data. */
static uint8_t *rows_text(uint8_t *text, const Writing *writing)
{
    for (Py_ssize_t row = 0; row < writing->rows; row++)
        for (int place = 0; place < writing->count; place++) {
            text = piece_text(text, writing->pieces + place, row);
            if (text == NULL)
                return NULL;
        }
    return text;
}

/* Return whether rows fit in so many bytes. */
static int fit(const Writing *writing, Py_ssize_t size)
{
    size -= NUMBER_ROOM;
    return size >= writing->text_room && (size - writing->text_room) / (writing->row_room + 1) >= writing->rows;
}

static PyObject *write_rows(PyObject *module, PyObject *arguments)
{
    Py_buffer out;
    PyObject *pieces, *result = NULL;
    Writing writing = {.rows = -1};
    int are_pieces = 1;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!w*:write", &PyTuple_Type, &pieces, &out))
        return NULL;
    for (Py_ssize_t place = 0; are_pieces && place < PyTuple_Size(pieces); place++)
        are_pieces = take_piece(&writing, PyTuple_GetItem(pieces, place));
    if (are_pieces && fit(&writing, out.len)) {
        PyThreadState *state = PyEval_SaveThread();
        uint8_t *end = rows_text(out.buf, &writing);
        PyEval_RestoreThread(state);
        if (end != NULL)
            result = PyLong_FromSsize_t(end - (uint8_t *)out.buf);
        else
            PyErr_SetString(PyExc_ValueError, "a text does not lie in its data");
    } else if (are_pieces) {
        PyErr_SetString(PyExc_ValueError, "too little room");
    }
    for (int place = 0; place < writing.views_count; place++)
        PyBuffer_Release(writing.views + place);
    PyBuffer_Release(&out);
    return result;
}

PyDoc_STRVAR(write_doc, "write(pieces, out, /)\n--\n\n"
                        "Write rows, each of which has these pieces one after the other; return how many bytes they take.");

static PyMethodDef methods[] = {
    {"read", read_text, METH_VARARGS, read_doc},
    {"write", write_rows, METH_VARARGS, write_doc},
    {NULL, NULL, 0, NULL},
};
/* Of what the functions take and return: `native` leaves out what was compiled of another version. */
static int add_version(PyObject *module)
{
    return PyModule_AddIntConstant(module, "VERSION", 5);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)add_version}, {0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_fields", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__fields(void)
{
    return PyModuleDef_Init(&definition);
}
