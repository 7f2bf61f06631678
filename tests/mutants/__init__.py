"""What tests/mutate is made of: faults by hand stand in tests/faults/, mechanical ones are made here.

tree.py      a copy of the tree, where faults are planted, built and tested
planted.py   runs the faults of tests/faults/
making.py    makes mechanical faults
reach.py     makes and reads map.json: which tests reach which lines
running.py   runs mechanical faults
alike.py     mechanical faults that change nothing observable, each with its reason
recorder.py  plugin of pytest for reach.py: what each test reaches
chosen.py    plugin of pytest for running.py: these tests, in this order
"""
