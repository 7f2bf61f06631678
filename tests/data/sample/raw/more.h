/* What else raw has. */
struct more {
    int first, second;
};
